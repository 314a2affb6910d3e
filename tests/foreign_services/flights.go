// A service that the testbed does not know: Go, database/sql, lib/pq. It loses connections unless CAREFUL is set.
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"net/http"
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"

	_ "github.com/lib/pq"
)

var db *sql.DB

func count() (n int, err error) {
	transaction, err := db.Begin() // without a deadline: whoever finds no connection waits
	if err != nil {
		return 0, err
	}
	if os.Getenv("CAREFUL") != "" {
		defer transaction.Rollback()
	}
	if err = transaction.QueryRow("SELECT count(*) FROM flights").Scan(&n); err != nil {
		return 0, err // without a Rollback, which gives the connection back
	}
	return n, transaction.Commit()
}

func flights(response http.ResponseWriter, request *http.Request) {
	n, err := count()
	if err != nil {
		http.Error(response, err.Error(), http.StatusInternalServerError)
		return
	}
	json.NewEncoder(response).Encode(map[string]int{"flights": n})
}

func main() {
	db, _ = sql.Open("postgres", os.Getenv("DATABASE_URL"))
	db.SetMaxOpenConns(10)
	db.SetMaxIdleConns(10)
	fill()
	dump := make(chan os.Signal, 1)
	signal.Notify(dump, syscall.SIGUSR1)
	go func() {
		for range dump {
			pprof.Lookup("goroutine").WriteTo(os.Stderr, 2)
		}
	}()
	http.HandleFunc("/flights", flights)
	http.HandleFunc("/health", func(response http.ResponseWriter, _ *http.Request) { response.Write([]byte("well")) })
	http.HandleFunc("/stats", func(response http.ResponseWriter, _ *http.Request) { json.NewEncoder(response).Encode(db.Stats()) })
	panic(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}

// fill opens all connections, as a pool of the case does at its start.
func fill() {
	var all []*sql.Conn
	for i := 0; i < 10; i++ {
		connection, err := db.Conn(context.Background())
		if err != nil {
			panic(err)
		}
		all = append(all, connection)
	}
	for _, connection := range all {
		connection.Close()
	}
}
