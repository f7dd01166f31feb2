"use strict";

const PAGE = 50;
const EVERY_MS = 1500;
const COLUMNS = {
  tasks: ["action", "companyName", "status", "ownerName"],
  conversations: ["subject", "companyName", "type", "date"],
  campaigns: ["name", "companyName", "sourceId", "externalId"],
  nps: ["email", "score", "scoreType", "dateAnswered"],
  companies: ["name", "externalId", "sourceId", "domains"],
  leancompanies: ["name", "externalId", "sourceId", ""],
  users: ["email", "firstName", "lastName", "inactive"],
  endusers: ["email", "companyName", "firstName", "lastName"],
  customfields: ["name", "parent", "type", "listValues"],
};
const RESOURCES = ["tasks", "conversations", "campaigns", "nps"];
const HTML = "<html><body><h1>502 Bad Gateway</h1></body></html>";
const FAULTS = [
  ["Server error", "500, nothing is done", { status: 500, body: { error: "Internal Server Error" } }],
  ["Too many requests", "429 with Retry-After: 2", { status: 429, body: { error: "Too Many Requests" }, headers: { "Retry-After": "2" } }],
  ["No permission", "403, or permissionErrors of an upsert", { deny: true }],
  ["Not there", "404", { status: 404, text: "Not Found" }],
  ["A proxy's page", "502 with HTML", { status: 502, text: HTML }],
  ["Not JSON", "done, but answered with text", { not_json: true }],
  ["Slow", "3 seconds", { delay_ms: 3000 }],
  ["Connection lost before", "nothing is done", { drop: "before" }],
  ["Connection lost after", "done, and the answer is lost", { drop: "after" }],
  ["Connection lost within", "half of the answer arrives", { drop: "within" }],
  ["Lost items", "an upsert drops its first item silently", { lose_items: 1 }],
  ["Short pages", "at most 100 rows", { cap: 100 }],
  ["No order", "sort= is ignored", { ignore_sort: true }],
];

const $ = (id) => document.getElementById(id);
const shown = { list: "tasks", offset: 0, tab: "records", state: null };

function make(tag, text, kind) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (kind) element.className = kind;
  return element;
}

function button(text, action, kind) {
  const element = make("button", text, kind);
  element.type = "button";
  element.addEventListener("click", action);
  return element;
}

async function ask(method, path, body) {
  let answer;
  try {
    answer = await fetch(`/__sandbox/${path}`, { method, body: body && JSON.stringify(body) });
  } catch {
    throw new Error("The sandbox does not answer.");
  }
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.error || answer.statusText);
  return found;
}

/** Run something that asks the sandbox, and show why it failed. */
async function attempt(action) {
  try {
    await action();
    $("problem").hidden = true;
  } catch (error) {
    $("problem").textContent = error.message;
    $("problem").hidden = false;
  }
}

// Records

function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "string" && /^\d{4}-\d\d-\d\dT/.test(value)) return value.slice(0, 16).replace("T", " ");
  return Array.isArray(value) ? value.join(", ") : String(value);
}

/** Return JSON with its parts in colours; a text that is none as it is. */
function pretty(text) {
  const view = make("pre");
  let value;
  try {
    value = JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    view.textContent = text || "(empty)";
    return view;
  }
  const token = /("(?:[^"\\]|\\.)*")(\s*:)?|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|true|false|null/gi;
  let at = 0;
  for (const found of value.matchAll(token)) {
    view.append(value.slice(at, found.index));
    const kind = found[2] ? "key" : found[1] ? "text" : "number";
    view.append(make("span", found[1] || found[0], kind), found[2] || "");
    at = found.index + found[0].length;
  }
  view.append(value.slice(at));
  return view;
}

function recordRow(row) {
  const details = make("details");
  const summary = make("summary");
  const title = COLUMNS[shown.list][0];
  for (const name of COLUMNS[shown.list]) {
    summary.append(make("span", cell(row[name]) || (name === title ? "(none)" : "")));
  }
  summary.append(make("span", row._id, "mono right"));
  details.append(summary);
  details.addEventListener("toggle", () => {
    if (details.open && details.childElementCount === 1) details.append(pretty(JSON.stringify(row)));
  });
  return details;
}

async function showRecords() {
  const query = new URLSearchParams({ search: $("search").value.trim(), offset: shown.offset, limit: PAGE });
  const wanted = `records/${shown.list}?${query}`;
  shown.wanted = wanted;
  const { rows, more } = await ask("GET", wanted);
  if (shown.wanted !== wanted) return;
  $("rows").replaceChildren(...rows.map(recordRow));
  if (!rows.length) $("rows").append(make("p", "No records.", "none"));
  $("place").textContent = rows.length ? `${shown.offset + 1} to ${shown.offset + rows.length}` : "";
  $("newer").disabled = !shown.offset;
  $("older").disabled = !more;
}

function choose(list) {
  Object.assign(shown, { list, offset: 0 });
  showLists();
  attempt(showRecords);
}

function showLists() {
  for (const chip of $("lists").children) {
    const name = chip.dataset.list;
    chip.lastElementChild.textContent = shown.state.records[name].toLocaleString("en");
    chip.setAttribute("aria-pressed", name === shown.list);
  }
}

function listChip(name) {
  const chip = button(`${name} `, () => choose(name));
  chip.dataset.list = name;
  chip.append(make("span"));
  return chip;
}

function turn(pages) {
  shown.offset = Math.max(0, shown.offset + pages * PAGE);
  attempt(showRecords);
}

// Calls

function grade(status) {
  if (!status || status >= 500) return "bad";
  return status === 200 ? "good" : "warn";
}

function body(title, text, bytes) {
  const part = make("div");
  const cut = new TextEncoder().encode(text).length < bytes ? `, first ${text.length.toLocaleString("en")} shown` : "";
  part.append(make("h3", `${title} (${bytes.toLocaleString("en")} bytes${cut})`), pretty(text));
  return part;
}

function callRow(call) {
  const details = make("details");
  details.dataset.number = call.number;
  const summary = make("summary");
  const listed = call.method === "GET" && !call.key && call.status === 200 ? `${call.rows} rows` : "";
  summary.append(
    make("span", call.method),
    make("span", call.status || "broken", grade(call.status)),
    make("span", decode(call.target), "mono target"),
    make("span", call.note || listed, "soft"),
    make("span", `${Math.round(call.ms)} ms`, "soft right"),
  );
  details.append(summary);
  details.addEventListener("toggle", () => attempt(async () => {
    if (!details.open || details.childElementCount > 1) return;
    const bodies = make("div", undefined, "bodies");
    details.append(bodies);
    const found = await ask("GET", `latest/${call.number}`);
    bodies.append(body("Sent", found.sent, found.sent_bytes), body("Answered", found.answered, found.answered_bytes));
  }));
  return details;
}

function decode(target) {
  try {
    return decodeURIComponent(target);
  } catch {
    return target;
  }
}

/** Put new calls on top, and keep what is open open. */
async function showCalls() {
  const calls = await ask("GET", "latest");
  const known = new Map([...$("log").children].map((row) => [Number(row.dataset.number), row]));
  const rows = calls.map((call) => known.get(call.number) || callRow(call));
  if (rows.length && rows[0] === $("log").firstElementChild && rows.length === known.size) return;
  if (rows.length) $("log").replaceChildren(...rows);
  else $("log").replaceChildren(make("p", "No calls yet.", "none"));
}

// Faults

const same = (a, b) => JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));

function sorted(value) {
  if (!value || typeof value !== "object") return value;
  return Object.keys(value).sort().map((key) => [key, sorted(value[key])]);
}

function scope() {
  return {
    resource: $("fault-list").value || null,
    method: $("fault-method").value || null,
    count: Number($("fault-count").value) || null,
  };
}

function ruleOf(effects) {
  const { resource, method } = scope();
  return shown.state.faults.find(
    (rule) => same(rule.effects, effects) && rule.resource === resource && rule.method === method,
  );
}

function showSwitches() {
  for (const item of $("switches").querySelectorAll("input")) {
    item.checked = Boolean(ruleOf(FAULTS[item.value][2]));
  }
}

function toggle(item) {
  const effects = FAULTS[item.value][2];
  attempt(async () => {
    const rule = ruleOf(effects);
    if (item.checked && !rule) await ask("POST", "faults", { ...effects, ...scope() });
    if (!item.checked && rule) await ask("DELETE", `faults/${rule.number}`);
    await refresh();
  });
}

function ruleText({ effects, resource, method, count }) {
  const known = FAULTS.find((fault) => same(fault[2], effects));
  const what = known ? known[0] : JSON.stringify(effects);
  const calls = [method || "any call", resource ? `to ${resource}` : ""].filter(Boolean).join(" ");
  return `${what}: ${calls}, ${count === null ? "every time" : `${count} more`}`;
}

function changeText(change) {
  const kinds = ["insert", "update", "delete", "archive", "reopen"].filter((kind) => change[kind]);
  const what = kinds.map((kind) => `${kind} ${change[kind]}`).join(", ") || "nothing";
  return `${change.resource}: ${what}, every ${change.every} list calls`;
}

function showActive(list, items, text, path) {
  const rows = items.map((item, place) => {
    const row = make("li", text(item));
    row.append(button("Remove", () => attempt(async () => {
      await ask("DELETE", `${path}/${item.number ?? place}`);
      await refresh();
    }), "quiet"));
    return row;
  });
  list.replaceChildren(...rows);
}

function showOptions() {
  const { latency_ms, error_rate, rate_limit } = shown.state.options;
  const values = { latency_ms, error_rate: Math.round(error_rate * 1000) / 10, rate_limit: rate_limit ?? "" };
  for (const [name, value] of Object.entries(values)) {
    const field = $("options").elements[name];
    if (!field.dataset.touched) field.value = value;
  }
}

function applyOptions(event) {
  event.preventDefault();
  const fields = $("options").elements;
  attempt(async () => {
    await ask("POST", "options", {
      latency_ms: Number(fields.latency_ms.value),
      error_rate: Number(fields.error_rate.value) / 100,
      rate_limit: Number(fields.rate_limit.value) || null,
    });
    for (const field of fields) delete field.dataset.touched;
    await refresh();
  });
}

function change(event) {
  event.preventDefault();
  const given = Object.fromEntries(new FormData($("changes")));
  const { resource, ...counts } = given;
  const wanted = { resource };
  for (const [name, value] of Object.entries(counts)) wanted[name] = Number(value);
  if (event.submitter.value === "once") wanted.every = 0;
  attempt(async () => {
    await ask("POST", "changes", wanted);
    await refresh();
  });
}

/** Ask for a second click before something that cannot be undone. */
function sure(id, action) {
  const element = $(id);
  const text = element.textContent;
  const calm = () => {
    element.textContent = text;
    element.classList.remove("sure");
  };
  element.addEventListener("blur", calm);
  element.addEventListener("click", () => {
    if (!element.classList.contains("sure")) {
      element.classList.add("sure");
      element.textContent = "Click again to do it";
      return;
    }
    calm();
    action();
  });
}

function reset(given) {
  attempt(async () => {
    await ask("POST", "reset", given);
    $("log").replaceChildren();
    shown.offset = 0;
    await refresh();
    await showRecords();
  });
}

// The page

function showStats() {
  const { stats, faults, changes } = shown.state;
  const figures = { calls: stats.total, "rows served": stats.rows, "most at once": stats.max_concurrent };
  $("stats").replaceChildren(...Object.entries(figures).map(([name, value]) => {
    const figure = make("div");
    figure.append(make("dt", name), make("dd", value.toLocaleString("en")));
    return figure;
  }));
  const { latency_ms, error_rate, rate_limit } = shown.state.options;
  const active = faults.length + changes.length + [latency_ms, error_rate, rate_limit].filter(Boolean).length;
  $("active").textContent = active;
  $("active").hidden = !active;
}

async function refresh() {
  const before = shown.state?.records[shown.list];
  shown.state = await ask("GET", "state");
  showStats();
  showOptions();
  showSwitches();
  showActive($("rules"), shown.state.faults, ruleText, "faults");
  showActive($("changing"), shown.state.changes, changeText, "changes");
  showLists();
  const changed = shown.state.records[shown.list] !== before;
  if (changed && !shown.offset && !$("rows").querySelector("[open]")) await showRecords();
  if (shown.tab === "calls") await showCalls();
}

function show(tab) {
  shown.tab = tab;
  for (const name of ["records", "calls", "faults"]) {
    $(name).hidden = name !== tab;
    $(`tab-${name}`).setAttribute("aria-selected", name === tab);
  }
  history.replaceState(null, "", `#${tab}`);
  if (tab === "calls") attempt(showCalls);
}

function later(action, ms) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(action, ms);
  };
}

function begin() {
  $("address").textContent = location.origin;
  $("copy").addEventListener("click", () => navigator.clipboard?.writeText(location.origin));
  for (const name of ["records", "calls", "faults"]) {
    $(`tab-${name}`).addEventListener("click", () => show(name));
  }
  $("search").addEventListener("input", later(() => choose(shown.list), 200));
  $("newer").addEventListener("click", () => turn(-1));
  $("older").addEventListener("click", () => turn(1));
  $("lists").append(...Object.keys(COLUMNS).map(listChip));
  $("fault-list").append(new Option("all", ""), ...Object.keys(COLUMNS).map((name) => new Option(name)));
  $("changes").elements.resource.append(...RESOURCES.map((name) => new Option(name)));
  $("switches").append(...FAULTS.map(([name, hint], place) => {
    const label = make("label");
    const text = make("span", name);
    text.append(make("small", hint));
    const item = make("input");
    Object.assign(item, { type: "checkbox", value: place });
    item.setAttribute("role", "switch");
    item.addEventListener("change", () => toggle(item));
    label.append(text, item);
    return label;
  }));
  for (const id of ["fault-list", "fault-method"]) $(id).addEventListener("change", showSwitches);
  $("options").addEventListener("submit", applyOptions);
  for (const kind of ["input", "change"]) {
    $("options").addEventListener(kind, (event) => { event.target.dataset.touched = "yes"; });
  }
  $("changes").addEventListener("submit", change);
  $("forget").addEventListener("click", () => reset({}));
  sure("restore", () => reset({ rows: "sample" }));
  sure("empty", () => reset({ rows: true }));
  const tab = location.hash.slice(1);
  show(["calls", "faults"].includes(tab) ? tab : "records");
  attempt(refresh);
  setInterval(() => { if (!document.hidden) attempt(refresh); }, EVERY_MS);
}

begin();
