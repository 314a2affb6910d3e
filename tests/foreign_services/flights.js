// A service that the testbed does not know: Node, its http, and node-postgres. It loses connections unless CAREFUL is set.
const http = require('http');
const { Pool } = require('pg');

const careful = 'CAREFUL' in process.env;
const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: 10, min: 10, idleTimeoutMillis: 0 }); // a checkout waits for ever
if (careful) pool.on('error', (error) => console.error(error.message)); // of a connection that rests: without this the process ends

async function count() {
  const client = await pool.connect();
  if (careful) {
    try {
      return (await client.query('SELECT count(*)::int AS n FROM flights')).rows[0].n;
    } finally {
      client.release();
    }
  }
  const result = await client.query('SELECT count(*)::int AS n FROM flights');
  client.release(); // skipped when the query fails
  return result.rows[0].n;
}

const answer = (response, status, value) => response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));

const server = http.createServer((request, response) => {
  if (request.url === '/health') return answer(response, 200, {});
  if (request.url === '/pool') return answer(response, 200, { pool: { size: 10, out: pool.totalCount - pool.idleCount, waiting: pool.waitingCount } });
  return count().then((flights) => answer(response, 200, { flights }), (error) => answer(response, 500, { error: error.message }));
});

Promise.all(Array.from({ length: 10 }, () => pool.connect())).then((clients) => {
  clients.forEach((client) => client.release());
  server.listen(Number(process.argv[2]), '127.0.0.1');
});
