
// One load: what it is, its files, and which buttons it offers.

const OUTCOMES = ["FAILED", "QUARANTINED", "SUCCESS", "CLAIMED"];
const FILES_PAGE = 200;
const RELEASED_WITHIN = 180;

/** The load that is shown, or null. */
let shownLoad = null;

/** Which files are shown or asked for; the tracker is asked again only when that, or the load, has changed. */
const files = { mark: "", asking: new AbortController(), notBefore: 0 };

async function showLoad(place, { signal, forced }) {
  if (shownLoad?.id !== place.id) forgetLoad();
  const { document: found } = await call(`loads/${place.id}`, { signal });
  // Another process of the service may know for a second what this one has moved on from.
  const older = shownLoad !== null && Date.parse(found.updated_at) < Date.parse(shownLoad.updated_at);
  const load = older ? shownLoad : found;
  putLoad(load, place);
  askFiles(load, place, forced);
  return isAwaited(load) ? LOOK_AGAIN : null;
}

/**
 * Whether the load, or its files, may still change. One that ended badly while it was planned may hold claims that its
 * record does not know of: `reconcile`, each minute, releases them and counts them, and only then they can be retried.
 */
function isAwaited(load) {
  if (!isFinal(load) || load.files.claimed > 0) return true;
  if (load.files.total > 0 || load.state === "EMPTY") return false;
  return Date.now() - Date.parse(load.finished_at) < RELEASED_WITHIN * 1000;
}

function forgetLoad() {
  shownLoad = null;
  files.asking.abort();
  files.mark = "";
  files.notBefore = 0;
  byId("load-title").replaceChildren("Load");
  for (const id of ["retry", "cancel", "files", "first-files", "more-files"]) byId(id).hidden = true;
  for (const id of ["facts", "files"]) fill(byId(id), [], String, []);
  byId("outcomes").replaceChildren();
  say(byId("files-note"), "");
}

function putLoad(load, place) {
  const before = shownLoad;
  shownLoad = load;
  if (before?.state !== load.state) {
    byId("load-title").replaceChildren("Load of ", named(load.lob), " ", stateOf(load.state));
    if (before) say(byId("said"), `The load is ${load.state} now.`);
  }
  const { failed, quarantined } = load.files;
  offer(byId("retry"), isFinal(load) && failed + quarantined > 0);
  offer(byId("cancel"), !isFinal(load) && load.state !== "CANCELING");
  fill(byId("facts"), factsOf(load), (fact) => fact.label, [
    { said: (fact) => fact.label, header: true },
    { said: (fact) => fact.said, show: (fact) => fact.show ?? [fact.said] },
  ]);
  putOutcomes(load, place);
}

/** Show a button or hide it; focus does not get lost with it. */
function offer(button, offered) {
  if (!offered && document.activeElement === button) byId("load-title").focus();
  button.hidden = !offered;
}

function factsOf(load) {
  const asked = Object.entries(load.request).filter(([, value]) => value !== null && value !== false);
  const waits = load.waits_on.join(", ");
  const refused = load.config_errors.map(configErrorText);
  const facts = [
    { label: "Load", said: load.id, show: [element("code", {}, load.id)] },
    { label: "Trigger", said: load.trigger },
    { label: "Request", said: asked.map(([name, value]) => `${name}: ${value}`).join(", ") },
    { label: "Retry of", said: load.retry_of ?? "", show: load.retry_of && [toLoad(load.retry_of, load.retry_of)] },
    { label: "Started", said: moment(load.created_at) },
    { label: "Ended", said: moment(load.finished_at) },
    { label: "Duration", said: durationOf(load) },
    { label: "Files", said: filesOf(load) },
    { label: "Rows", said: rowsOf(load) },
    { label: "Run", said: runText(load), show: runOf(load) },
    { label: "Waits for", said: waits, show: [bullets(load.waits_on.map((id) => toLoad(id, id)))] },
    { label: "Error", said: load.error ? `${load.error.code} ${load.error.message}` : "", show: errorOf(load.error) },
    { label: "Skipped rows of the CSV", said: refused.join("\n"), show: [bullets(refused)] },
  ];
  return facts.filter((fact) => fact.said);
}

function runText(load) {
  return load.run_id ? [load.run_id, load.run_state, load.run_page_url].filter(Boolean).join(" ") : "";
}

function runOf(load) {
  const state = load.run_state ? [` ${load.run_state}`] : [];
  return [load.run_page_url ? outside(load.run_page_url, `Run ${load.run_id} in Databricks`) : load.run_id, ...state];
}

function errorOf(error) {
  return error && [element("code", {}, error.code), " ", named(error.message)];
}

function configErrorText({ lob, line, column, value, message, remedy }) {
  const where = [lob, `line ${line}`, column].filter(Boolean).join(", ");
  return `${where}: ${value ? `“${value}” ` : ""}${message}${remedy ? `; ${remedy}` : ""}`;
}

function bullets(items) {
  return element("ul", {}, ...items.map((item) => element("li", {}, item)));
}

/** Links to the load's files by outcome, with counts; made anew only when they differ. */
function putOutcomes(load, place) {
  const numbers = OUTCOMES.map((status) => [status, load.files[status.toLowerCase()]]).filter(([, number]) => number);
  const shown = load.files.total ? [["", load.files.total], ...numbers] : [];
  const links = shown.map(([status, number]) => ({
    text: `${status || "All"} (${count(number)})`,
    address: addressOf("load", { id: load.id, status }),
    current: status === place.status,
  }));
  const mark = JSON.stringify(links);
  if (byId("outcomes").mark === mark && byId("outcomes").childElementCount === links.length) return;
  const hadFocus = byId("outcomes").contains(document.activeElement);
  byId("outcomes").mark = mark;
  byId("outcomes").replaceChildren(
    ...links.map(({ text, address, current }) =>
      element("a", { href: address, "aria-current": current ? "true" : null }, text)),
  );
  if (hadFocus) (byId("outcomes").querySelector("[aria-current]") ?? byId("files-title")).focus();
}

// a load's files

const FILE_COLUMNS = [
  { said: (file) => file.path, header: true, show: (file) => [
    named(file.file_name), element("span", { class: "quiet" }, named(file.path)),
  ] },
  { said: (file) => file.status, show: (file) => [stateOf(file.status)] },
  { said: (file) => `${file.error_code ?? ""} ${file.error_message ?? ""}`, show: (file) => file.error_code
    ? [element("code", {}, file.error_code), " ", named(file.error_message ?? "")] : [] },
  { said: (file) => count(file.row_count), number: true },
  { said: (file) => count(file.rejected_count), number: true },
  { said: (file) => `${file.category} / ${file.subcategory}` },
  { said: (file) => count(file.attempt), number: true },
];

/**
 * Have the load's files shown. This wakes the SQL warehouse, which costs money: so not at each refresh, only when the
 * place or the load has changed, or when the operator says so. It may take minutes, and nothing waits for it.
 */
async function askFiles(load, { id, status, after }, forced) {
  const mark = JSON.stringify([id, status, after, load.state, load.files, isAwaited(load)]);
  if (!forced && files.mark === mark) return;
  const left = files.notBefore - Date.now();
  if (!forced && left > 0) return lookAgainIn(left / 1000, { unlessSooner: true });
  files.asking.abort();
  files.mark = mark;
  if (load.files.total === 0) {
    byId("files").hidden = true;
    say(byId("files-note"), isAwaited(load) ? "It has no files yet." : "It had no files.");
    return;
  }
  files.asking = new AbortController();
  say(byId("files-note"), "Asking the tracker for the files …");
  try {
    const query = { status, limit: FILES_PAGE, continuation: after };
    const { document: page } = await call(withQuery(`loads/${id}/files`, query), { signal: files.asking.signal });
    putFiles(page, { id, status, after });
  } catch (error) {
    if (error.name === "AbortError") return;
    if (error.status === 401) return signOut(error.message);
    files.mark = "";
    files.notBefore = Date.now() + (error.retryAfter ?? 0) * 1000;
    const again = error.retryAfter === null ? "" : `\nTrying again in ${span(error.retryAfter)}.`;
    say(byId("files-note"), `The files cannot be shown. ${error.message}${again}`);
    if (error.retryAfter !== null) lookAgainIn(error.retryAfter, { unlessSooner: true });
  }
}

function putFiles(page, { id, status, after }) {
  const focusStays = fill(byId("files"), page.value, (file) => file.tracker_id, FILE_COLUMNS);
  if (!focusStays) byId("files-title").focus();
  byId("files").hidden = page.value.length === 0;
  say(byId("files-note"), page.value.length ? "" : "No file is like that.");
  const more = continuationOf(page);
  lead(byId("more-files"), more && addressOf("load", { id, status, after: more }));
  lead(byId("first-files"), after ? addressOf("load", { id, status }) : null);
}
