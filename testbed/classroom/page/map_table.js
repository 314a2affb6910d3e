// The map as a table, for who cannot see it: it is made while it is unfolded, and anew every two seconds at most.
"use strict";
(() => {
  const { el, by, text, word, number, table, mapNodes } = Classroom;
  const EVERY_MS = 2000;
  let made_ms = 0, later = null;

  const share = (count, of) => text("map.share", { n: count ?? text("unknown"), of: of ?? text("unknown") });
  const told = (name, kind) => {
    if (kind === "database") return word("hosts", Classroom.get(`hosts.${name}`)?.state ?? "unknown");
    if (kind === "virtual_ip") return text("map.leads_to", { host: word("hosts", Classroom.get("virtual_ip") ?? "unknown") });
    if (kind === "balancer") {
      const servers = Classroom.get(`balancers.${name}`)?.servers ?? [];
      return servers.map((one) => text("map.balanced_long", { server: one.server, status: word("statuses", one.status), sessions: one.sessions ?? "?" })).join("; ") || text("unknown");
    }
    if (kind === "passengers") return "";
    const value = Classroom.get(`services.${name}`);
    const parts = [word("conditions_of_services", mapNodes.condition(value)), text("map.lamp", { lamp: word("lamps", mapNodes.health(value?.health)) })];
    parts.push(text("map.threads_long", { share: share(value?.busy, value?.threads), waiting: value?.waiting ?? text("unknown") }));
    if (value?.pool) parts.push(text("map.pool_long", { share: share(value.pool.out, value.pool.size), waiting: value.pool.waiting ?? text("unknown") }));
    if (value?.pool && Number.isFinite(value.pool.leaked)) parts.push(text("map.leaked_long", { n: value.pool.leaked }));
    return parts.join("; ");
  };
  const passengersOf = (name, kind) => {
    const value = kind === "passengers" ? Classroom.get("passengers") : kind === "caller" ? Classroom.get(`passengers.${name}`) : null;
    if (!value) return el("span");
    return ["answered", "failed", "waiting"].map((each) => `${word("passengers", each)} ${number(value[each])}`).join("; ");
  };

  const make = () => {
    later = null;
    const box = by("map-table"), map = Classroom.welcome()?.map;
    if (!box.open || !map) return;
    made_ms = performance.now();
    const rows = map.nodes.map(({ name, kind }) => [name, word("kinds", kind), told(name, kind), passengersOf(name, kind)]);
    const heads = [text("map.part"), text("map.kind"), text("map.condition"), text("map.served")];
    by("map-rows").replaceChildren(table(text("map.table"), heads, rows));
  };
  const soon = () => {
    if (!by("map-table").open || later !== null) return;
    later = setTimeout(make, Math.max(0, made_ms + EVERY_MS - performance.now()));
  };

  Classroom.show({
    keys: ["services.", "hosts.", "virtual_ip", "balancers.", "passengers", "passengers."],
    start: () => by("map-table").addEventListener("toggle", make),
    update: soon,
  });
})();
