
// The page itself: where it is, when it asks again, the key, and what the buttons do.

const VIEWS = new Map(Object.entries({
  loads: { title: "Loads", show: showLoads },
  load: { title: "Load", show: showLoad },
  feeds: { title: "Feeds", show: showFeeds },
}));

// where it is: #loads?lob=&status=&after=, #load/ID?status=&after=, #feeds

function addressOf(view, { id, ...query }) {
  return withQuery(`#${view}${id ? `/${encodeURIComponent(id)}` : ""}`, query);
}

function placeNow() {
  const [path, query] = location.hash.slice(1).split("?", 2);
  const [view, id = ""] = path.split("/");
  const asked = new URLSearchParams(query);
  const [lob, status, after] = ["lob", "status", "after"].map((name) => asked.get(name) ?? "");
  const known = VIEWS.has(view) && (view !== "load" || /^[\w-]{1,64}$/.test(id));
  return { view: known ? view : "loads", id, lob, status, after };
}

let place = placeNow();

/** What is to be said once the next place is shown. */
let news = "";

/** Show the view of the address. On arrival its heading gets the focus: a screen reader says where one is. */
async function go({ arrived = false, focus = true } = {}) {
  const before = place;
  place = placeNow();
  document.title = `${VIEWS.get(place.view).title} – Ingestion hub`;
  for (const view of VIEWS.keys()) byId(`${view}-view`).hidden = view !== place.view;
  for (const view of ["loads", "feeds"]) {
    if (view === place.view) byId(`to-${view}`).setAttribute("aria-current", "page");
    else byId(`to-${view}`).removeAttribute("aria-current");
  }
  [byId("lob").value, byId("state").value] = [place.lob, place.status.toUpperCase()];
  if (byId("sure").open) byId("sure").close();
  for (const id of ["trouble", "not-done"]) say(byId(id), "");
  if (!arrived && before.view === place.view && before.id === place.id) return turnTo(before);
  say(byId("said"), news);
  news = "";
  const heading = byId(`${place.view}-title`);
  if (focus) heading.focus();
  window.scrollTo(0, 0);
  await refresh();
  // Back from a load: to its row, if nobody has moved the focus meanwhile.
  if (before.view === "load" && place.view === "loads" && document.activeElement === heading) {
    byId("loads").querySelector(`a[href="${addressOf("load", { id: before.id })}"]`)?.focus();
  }
}

/** Show another part of the same view; a page of a list is read from its heading on. */
async function turnTo(before) {
  if (before.after !== place.after) byId(place.view === "load" ? "files-title" : "loads-title").focus();
  await refresh();
  if (place.view === "loads") say(byId("said"), `Loads shown: ${byId("loads").tBodies[0].rows.length}.`);
}

// asking again

/** What stops the asking that is under way; null while there is none. */
let asking = null;
let timer = null;
let due = Infinity;

/** Ask for what the view shows, and again later by itself. `forced`: the operator wants all of it anew. */
async function refresh({ forced = false } = {}) {
  asking?.abort();
  const mine = asking = new AbortController();
  stopLooking();
  const { signal } = mine;
  try {
    const wait = await VIEWS.get(place.view).show(place, { signal, forced });
    if (signal.aborted) return;
    say(byId("trouble"), "");
    byId("as-of").textContent = `As of ${new Date().toISOString().slice(11, 19)} UTC`;
    if (wait !== null) lookAgainIn(wait, { unlessSooner: true });
  } catch (error) {
    if (error.name === "AbortError" || signal.aborted) return;
    if (error.status === 401) return signOut(error.message);
    const again = error.retryAfter && byId("auto").checked;
    say(byId("trouble"), error.message + (again ? `\nTrying again in ${span(error.retryAfter)}.` : ""));
    if (error.retryAfter) lookAgainIn(error.retryAfter);
    if (!(error instanceof Trouble)) throw error;
  } finally {
    if (asking === mine) asking = null;
  }
}

function stopLooking() {
  clearTimeout(timer);
  due = Infinity;
}

/** Refresh in so many seconds; with `unlessSooner`, not later than is planned already. */
function lookAgainIn(seconds, { unlessSooner = false } = {}) {
  const at = Date.now() + seconds * 1000;
  if (unlessSooner && due <= at) return;
  stopLooking();
  due = at;
  timer = setTimeout(lookAgain, seconds * 1000);
}

/** Not while nobody looks, or the operator said no: then it is made up for once that ends. */
function lookAgain() {
  if (byId("auto").checked && document.visibilityState === "visible") refresh();
}

/** Make up for a refresh that was left out. */
function catchUp() {
  if (due <= Date.now()) lookAgain();
}

// the key

/** Show what is behind the key; a page that was only loaded anew leaves the focus at its beginning. */
function signIn({ focus = true } = {}) {
  for (const id of ["pages", "sign-out", "bar"]) byId(id).hidden = false;
  byId("key-view").hidden = true;
  return go({ arrived: true, focus });
}

/** Forget the key and all that was shown, and ask for a key. */
function signOut(why) {
  sessionStorage.removeItem(KEY);
  asking?.abort();
  stopLooking();
  forgetLoad();
  for (const id of ["loads", "feeds"]) fill(byId(id), [], String, []);
  byId("config-errors").replaceChildren();
  byId("config-errors").mark = "";
  for (const id of ["trouble", "not-done", "said"]) say(byId(id), "");
  for (const id of ["pages", "sign-out", "bar"]) byId(id).hidden = true;
  for (const view of VIEWS.keys()) byId(`${view}-view`).hidden = true;
  if (byId("sure").open) byId("sure").close();
  document.title = "Ingestion hub";
  byId("key-view").hidden = false;
  keyProblem(why);
}

function keyProblem(why, { isWrong = false } = {}) {
  say(byId("key-problem"), why);
  if (isWrong) byId("key").setAttribute("aria-invalid", "true");
  else byId("key").removeAttribute("aria-invalid");
  byId("key").focus();
}

async function tryKey(event) {
  event.preventDefault();
  const key = byId("key").value.trim();
  // A header can carry no other characters, and no key has them.
  if (!/^[\x21-\x7e]+$/.test(key)) return keyProblem("This is no key: it has other characters.", { isWrong: true });
  say(byId("key-problem"), "");
  try {
    await call("loads?limit=1", { key });
  } catch (error) {
    return keyProblem(error.message, { isWrong: error.status === 401 });
  }
  sessionStorage.setItem(KEY, key);
  byId("key").value = "";
  byId("key").removeAttribute("aria-invalid");
  return signIn();
}

// what the buttons do

/** Keys of retries whose answer was lost, by load: asking again is then the same retry. */
const retryKeys = new Map();

/**
 * POST for the load that is shown; the answer, or null where it failed and the page says why. No refresh takes
 * that away: it stays until the next such button, or another place.
 */
async function change(button, action, headers = {}) {
  if (button.getAttribute("aria-disabled") === "true") return null;
  const { id } = shownLoad;
  button.setAttribute("aria-disabled", "true");
  say(byId("not-done"), "");
  try {
    return await call(`loads/${id}/${action}`, { method: "POST", headers });
  } catch (error) {
    if (error.status === 401) signOut(error.message);
    else say(byId("not-done"), `Asked to ${action} load ${id}:\n${error.message}`);
    return null;
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

async function retry() {
  const { id } = shownLoad;
  if (!retryKeys.has(id)) retryKeys.set(id, freshKey());
  const answer = await change(byId("retry"), "retry", { "Idempotency-Key": retryKeys.get(id) });
  if (answer === null) return;
  retryKeys.delete(id);
  news = "The retry is accepted; this is its load.";
  location.hash = addressOf("load", { id: answer.document.id });
}

async function cancel() {
  byId("sure").close();
  const answer = await change(byId("cancel"), "cancel");
  if (answer === null) return;
  asking?.abort();
  if (shownLoad?.id === answer.document.id) putLoad(answer.document, place);
  say(byId("said"), answer.status === 202 ? "The load is being canceled." : "The load had ended already.");
  refresh();
}

byId("state").append(...STATES.map((state) => element("option", { value: state }, state)));
byId("key-form").addEventListener("submit", tryKey);
byId("sign-out").addEventListener("click", () => signOut(""));
byId("now").addEventListener("click", () => refresh({ forced: true }));
byId("auto").addEventListener("change", catchUp);
byId("retry").addEventListener("click", retry);
byId("cancel").addEventListener("click", () => byId("sure").showModal());
byId("sure-no").addEventListener("click", () => byId("sure").close());
byId("sure-yes").addEventListener("click", cancel);
byId("filter").addEventListener("submit", (event) => {
  event.preventDefault();
  location.hash = addressOf("loads", { lob: byId("lob").value.trim(), status: byId("state").value });
});
byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("main").focus();
});
document.addEventListener("visibilitychange", catchUp);
window.addEventListener("hashchange", () => {
  if (sessionStorage.getItem(KEY)) go();
});

if (sessionStorage.getItem(KEY)) signIn({ focus: false });
else signOut("");
