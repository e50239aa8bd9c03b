
// The lists: loads and feeds. A view's `show` gives the seconds until it is worth asking again, or null.

const FINAL = ["SUCCESS", "PARTIAL", "FAILED", "CANCELED", "EMPTY"];
const STATES = ["ACCEPTED", "SUBMITTING", "RUNNING", "CANCELING", ...FINAL];
const LOOK_AGAIN = 5;
const FEEDS_LOOK_AGAIN = 30;
const LOADS_PAGE = 50;

const isFinal = (load) => FINAL.includes(load.state);

function durationOf(load) {
  const end = load.finished_at ? Date.parse(load.finished_at) : Date.now();
  return span((end - Date.parse(load.created_at)) / 1000);
}

function filesOf(load) {
  const { total, success, failed, quarantined, claimed } = load.files;
  if (total === 0) return "none";
  const parts = [[success, "loaded"], [failed, "failed"], [quarantined, "quarantined"], [claimed, "claimed"]];
  const said = parts.filter(([number]) => number > 0).map(([number, word]) => `${count(number)} ${word}`);
  return said.length === 1 ? said[0] : `${count(total)}: ${said.join(", ")}`;
}

function rowsOf(load) {
  return count(load.rows.loaded) + (load.rows.rejected ? `, ${count(load.rows.rejected)} refused` : "");
}

/** Show a link to where a list goes on, or hide it. */
function lead(link, address) {
  link.hidden = address === null;
  if (address !== null) link.setAttribute("href", address);
}

// loads

const LOAD_COLUMNS = [
  { said: (load) => moment(load.created_at), show: (load) => [toLoad(load.id, timeOf(load.created_at))], header: true },
  { said: (load) => load.state, show: (load) => [stateOf(load.state)] },
  { said: (load) => load.lob, show: (load) => [named(load.lob)] },
  { said: (load) => load.trigger },
  { said: filesOf },
  { said: rowsOf, number: true },
  { said: durationOf, number: true },
];

async function showLoads({ lob, status, after }, { signal }) {
  const query = { lob, status, limit: LOADS_PAGE, continuation: after };
  const { document: page } = await call(withQuery("loads", query), { signal });
  const focusStays = fill(byId("loads"), page.value, (load) => load.id, LOAD_COLUMNS);
  if (!focusStays) byId("loads-title").focus();
  const older = continuationOf(page);
  const none = older ? "None is like that so far; older ones may be."
    : lob || status || after ? "No load is like that." : "There is no load yet.";
  say(byId("loads-note"), page.value.length ? "" : none);
  lead(byId("older"), older && addressOf("loads", { lob, status, after: older }));
  lead(byId("newest"), after ? addressOf("loads", { lob, status }) : null);
  return LOOK_AGAIN;
}

// feeds

const FEED_COLUMNS = [
  { said: (feed) => `${feedName(feed)} ${feed.file_pattern} ${feed.is_active}`, header: true, show: (feed) => [
    named(feedName(feed)), element("span", { class: "quiet" }, named(feed.file_pattern)),
    ...(feed.is_active ? [] : [" ", stateOf("not active")]),
  ] },
  { said: (feed) => `${count(feed.due)} ${feed.missed || ""}`, number: true, show: (feed) => [
    count(feed.due), ...(feed.missed ? [element("span", { class: "quiet" }, `${count(feed.missed)} missed`)] : []),
  ] },
  { said: (feed) => (feed.due ? span(feed.lag_seconds) : feed.due === 0 ? "none" : ""), number: true },
  { said: (feed) => `${feed.newest_file ?? ""} ${moment(feed.newest_file_at)}`, show: (feed) => feed.newest_file
    ? [named(feed.newest_file), element("span", { class: "quiet" }, timeOf(feed.newest_file_at))] : [] },
  { said: (feed) => `${feed.last_load ?? ""} ${moment(feed.last_load_at)}`, show: (feed) => feed.last_load
    ? [toLoad(feed.last_load, feed.last_load_at ? timeOf(feed.last_load_at) : feed.last_load)] : [] },
  { said: (feed) => feed.dest_table, show: (feed) => [named(feed.dest_table)] },
];

function feedName({ lob, category, subcategory }) {
  return `${lob} / ${category} / ${subcategory}`;
}

async function showFeeds(place, { signal }) {
  const { document: found } = await call("feeds", { signal });
  const keyOf = (feed) => JSON.stringify([feed.lob, feed.category, feed.subcategory, feed.file_pattern]);
  const focusStays = fill(byId("feeds"), found.value, keyOf, FEED_COLUMNS);
  if (!focusStays) byId("feeds-title").focus();
  const swept = found.as_of ? `As the sweep of ${moment(found.as_of)} found them` : "No sweep has looked them over yet";
  say(byId("swept"), `${swept}; times are UTC`);
  say(byId("feeds-note"), found.value.length ? "" : "There is no feed.");
  byId("refused-rows").hidden = found.config_errors.length === 0;
  const lines = found.config_errors.map(configErrorText);
  const mark = lines.join("\n");
  if (byId("config-errors").mark !== mark) {
    byId("config-errors").mark = mark;
    byId("config-errors").replaceChildren(...lines.map((line) => element("li", {}, line)));
  }
  return FEEDS_LOOK_AGAIN;
}
