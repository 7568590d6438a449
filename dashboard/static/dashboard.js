// The page: asks what is new, and puts it into the tiles that stand there. Charts get
// their rows in place, so that nothing flickers and nothing that was chosen is lost.
"use strict";

const POLL_MILLISECONDS = 2000;
// Letters of a text that may take several lines of a table.
const LONG_TEXT = 48;
const ZONE = "Europe/London";
const pageName = document.body.dataset.page;
const themes = JSON.parse(document.getElementById("themes").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");
const banner = document.getElementById("banner");
const form = document.getElementById("selection");
const tiles = new Map();

const clockFormat = new Intl.DateTimeFormat("en-GB", {
  timeZone: ZONE, weekday: "short", day: "numeric", month: "short",
  hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short",
});
const timeFormat = new Intl.DateTimeFormat("en-GB", {
  timeZone: ZONE, day: "numeric", month: "short", hour: "2-digit", minute: "2-digit",
  timeZoneName: "short",
});
const secondFormat = new Intl.DateTimeFormat("en-GB", {
  timeZone: ZONE, day: "numeric", month: "short",
  hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short",
});

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function ageText(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} days`;
}

function cellText(value, column) {
  if (value === null || value === undefined) return "–";
  if (column.kind === "time") {
    return (value % 60000 ? secondFormat : timeFormat).format(value);
  }
  if (column.kind === "number") {
    const digits = { minimumFractionDigits: column.digits, maximumFractionDigits: column.digits };
    return value.toLocaleString("en-GB", digits);
  }
  return String(value);
}

function table(picture, caption) {
  const made = element("table");
  made.append(element("caption", caption, "unseen"));
  const head = made.createTHead().insertRow();
  for (const column of picture.columns) {
    const cell = element("th", column.title, column.kind);
    cell.scope = "col";
    if (column.unit) cell.append(element("small", column.unit));
    head.append(cell);
  }
  const body = made.createTBody();
  for (const row of picture.rows) {
    const line = body.insertRow();
    row.forEach((value, place) => {
      const column = picture.columns[place];
      const cell = element("td", undefined, column.kind);
      if (column.kind === "unit" && value) cell.append(unitLink(value));
      else cell.textContent = cellText(value, column);
      if (column.kind === "text" && cell.textContent.length > LONG_TEXT) cell.className += " long";
      line.append(cell);
    });
  }
  return made;
}

// The name of a unit selects it, on this page or on the one that shows units.
function unitLink(name) {
  const link = element("a", name);
  const here = form?.elements.unit;
  const given = new URLSearchParams(here ? location.search : "");
  given.set("unit", name);
  link.href = `${here ? location.pathname : "/balancing"}?${given}`;
  if (here) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      here.value = name;
      writeAddress();
    });
  }
  return link;
}

function rowsOf(columns) {
  const names = Object.keys(columns);
  return columns[names[0]].map((_, place) =>
    Object.fromEntries(names.map((name) => [name, columns[name][place]])));
}

// A chart that stays: new rows and params are put into the view that is there.
class Chart {
  constructor(parent) {
    this.place = element("div", undefined, "chart");
    this.place.setAttribute("role", "img");
    // Vega gives roles of its own to what it draws into.
    this.canvas = element("div");
    this.place.append(this.canvas);
    parent.append(this.place);
    this.forget();
  }

  forget() {
    this.finalize?.();
    this.view = this.finalize = null;
    this.specText = "";
  }

  remove() {
    this.forget();
    this.place.remove();
  }

  // Names are up to 18 characters long.
  columns() { return Math.max(2, Math.floor((this.place.clientWidth - 50) / 122)); }

  resize() { this.view?.signal("legendColumns", this.columns()).runAsync(); }

  async show({ spec, params: given, rows, height, choose: chosen }, figures) {
    this.chosen = chosen;
    this.place.classList.toggle("choosable", Object.keys(chosen).length > 0);
    const params = { ...given, legendColumns: this.columns() };
    this.place.setAttribute("aria-label", [spec.description, ...figures].join(". "));
    const specText = JSON.stringify(spec);
    if (this.specText === specText) {
      for (const [name, value] of Object.entries(params)) this.view.signal(name, value);
      await this.view.data("rows", rowsOf(rows)).runAsync();
      return;
    }
    this.forget();
    const whole = {
      ...spec,
      height,
      autosize: { type: "fit-x", contains: "padding" },
      data: { name: "rows", values: rowsOf(rows) },
      params: spec.params.map((each) =>
        each.name in params ? { ...each, value: params[each.name] } : each),
    };
    const made = await vegaEmbed(this.canvas, whole, {
      actions: false,
      ast: true, // no code is made of text, which the page's policy forbids
      renderer: "svg",
      defaultStyle: false,
      config: { ...themes[dark.matches ? "dark" : "light"], aria: false },
      tooltip: { disableDefaultStyle: true },
    });
    this.view = made.view;
    this.finalize = made.finalize;
    this.specText = specText;
    this.view.addEventListener("click", (_, item) => choose(item?.datum, this.chosen));
  }
}

// A click on a mark chooses what it stands for.
function choose(datum, chosen) {
  if (!datum || !form) return;
  for (const [name, column] of Object.entries(chosen)) {
    if (datum[column] === undefined) return;
    form.elements[name].value = datum[column];
  }
  if (Object.keys(chosen).length) writeAddress();
}

class Tile {
  constructor(section) {
    this.name = section.dataset.tile;
    this.section = section;
    this.title = section.querySelector("h2").textContent;
    this.version = 0;
    this.state = null;
    this.charts = [];
    this.last = null;
    this.loading = null;
    this.fill = null;
    this.part(".numbers").addEventListener("toggle", () => this.fill?.());
  }

  part(selector) { return this.section.querySelector(selector); }

  // Loads the picture; one request at a time, and another one if it was asked meanwhile.
  load() {
    if (!this.loading) {
      this.loading = this.fetchOnce().finally(() => { this.loading = null; });
    }
    return this.loading;
  }

  async fetchOnce() {
    const query = location.search;
    let picture;
    try {
      const answer = await fetch(`/tiles/${this.name}${query}`);
      if (!answer.ok) throw new Error(await answer.text());
      picture = await answer.json();
    } catch (error) {
      this.trouble(error.message);
      this.section.setAttribute("aria-busy", "false");
      return;
    }
    if (query !== location.search) return this.fetchOnce();
    await this.show(picture);
    this.version = picture.version;
  }

  trouble(text) {
    const line = this.part(".trouble");
    line.hidden = !text;
    if (line.textContent !== text) line.textContent = text || "";
    this.section.classList.toggle("troubled", Boolean(text));
  }

  async show(picture) {
    const drawn = picture.state === "drawn";
    this.trouble(picture.error);
    const message = this.part(".message");
    message.hidden = drawn || picture.state === "failed";
    message.textContent = picture.state === "waiting"
      ? "BigQuery takes long to answer; the page goes on waiting." : picture.empty;
    this.part(".figures").replaceChildren(...(picture.figures || []).map((figure) => {
      const pair = element("div");
      const value = element("dd", figure.value);
      if (figure.unit) value.append(element("small", figure.unit));
      pair.append(element("dt", figure.label), value);
      return pair;
    }));
    const note = this.part(".note");
    note.textContent = picture.note || "";
    note.hidden = !note.textContent;
    this.showBehind(drawn ? picture : null);
    this.showTable(drawn ? picture : null);
    await this.showCharts(drawn ? picture : null);
    this.section.setAttribute("aria-busy", String(picture.state === "waiting"));
  }

  // The statement, and links such as those of a download.
  showBehind(picture) {
    const query = this.part(".query");
    query.hidden = !picture?.sql;
    query.querySelector("pre").textContent = picture?.sql || "";
    const links = this.part(".links");
    links.hidden = !picture?.links.length;
    links.replaceChildren(...(picture?.links || []).map(([text, address]) => {
      const link = element("a", text);
      link.href = address;
      link.download = "";
      return link;
    }));
  }

  showTable(picture) {
    const folded = this.part(".numbers");
    let place = this.part(":scope > .scroll");
    folded.hidden = !picture || !picture.charts?.length;
    if (!picture || picture.charts?.length) place?.remove();
    if (!picture) return;
    const whole = picture.all_rows <= picture.rows.length;
    this.part(".numbers summary").textContent = whole
      ? "Numbers" : `Numbers (${picture.rows.length} of ${picture.all_rows.toLocaleString("en-GB")} rows)`;
    if (picture.charts?.length) {
      place = folded.querySelector(".scroll");
    } else if (!place) {
      place = element("div", undefined, "scroll");
      this.part(".message").after(place);
    }
    place.tabIndex = 0;
    this.fill = () => {
      const scrolled = [place.scrollLeft, place.scrollTop];
      place.replaceChildren(table(picture, this.title));
      [place.scrollLeft, place.scrollTop] = scrolled;
    };
    if (picture.unfolded && !this.fillable) folded.open = true;
    this.fillable = true;
    if (!picture.charts?.length || folded.open) this.fill();
  }

  async showCharts(picture) {
    const wanted = picture?.charts || [];
    this.last = picture;
    while (this.charts.length > wanted.length) this.charts.pop().remove();
    while (this.charts.length < wanted.length) {
      this.charts.push(new Chart(this.part(".charts")));
    }
    const figures = (picture?.figures || [])
      .map((each) => `${each.label} ${each.value} ${each.unit}`);
    for (const [place, chart] of wanted.entries()) {
      await this.charts[place].show(chart, figures);
    }
  }

  // After the viewer's system has changed between light and dark.
  redraw() {
    this.charts.forEach((chart) => chart.forget());
    return this.showCharts(this.last);
  }

  // What the page's state says: how fresh the tile is, and whether there is more.
  update(state) {
    this.state = state;
    this.section.classList.toggle("late", Boolean(state.late));
    const lateness = this.part(".lateness");
    lateness.hidden = !state.late;
    if (lateness.textContent !== state.late) lateness.textContent = state.late;
    if (state.version !== this.version) this.load();
    this.tick();
  }

  tick() {
    const age = this.part(".age");
    if (!this.state?.asked) { age.textContent = ""; return; }
    const { newest, asked } = this.state;
    const now = Date.now();
    age.textContent = newest
      ? `updated ${ageText(now - newest)} ago` : `asked ${ageText(now - asked)} ago`;
    const parts = [`asked ${ageText(now - asked)} ago`];
    if (newest) parts.unshift(`newest message ${secondFormat.format(newest)}`);
    age.title = parts.join("; ");
  }
}

// The form of the selection, and the address: each follows the other.

function readAddress() {
  if (!form) return;
  const given = new URLSearchParams(location.search);
  for (const input of form.elements) {
    if (!input.name) continue;
    if (input.type === "checkbox") input.checked = given.get(input.name) === "1";
    else input.value = given.get(input.name) || input.dataset.usual || "";
  }
  for (const link of document.querySelectorAll(".bar nav a")) {
    link.search = "";
  }
}

function writeAddress() {
  const given = new URLSearchParams(location.search);
  for (const input of form.elements) {
    if (!input.name) continue;
    const value = input.type === "checkbox" ? (input.checked ? "1" : "") : input.value.trim();
    if (value && value !== input.dataset.usual) given.set(input.name, value); else given.delete(input.name);
  }
  const query = given.toString();
  if (query === location.search.slice(1)) return;
  history.pushState(null, "", `${location.pathname}${query ? "?" : ""}${query}`);
  loadAll();
}

function loadAll() {
  return Promise.all([...tiles.values()].map((tile) => tile.load()));
}

function say(text) {
  banner.hidden = !text;
  if (banner.textContent !== text) banner.textContent = text;
}

let lost = 0;
async function poll() {
  if (document.hidden) return;
  const query = location.search;
  try {
    const answer = await fetch(`/pages/${pageName}/state${query}`, {
      signal: AbortSignal.timeout(20000),
    });
    if (!answer.ok) { say(await answer.text()); return; }
    const state = await answer.json();
    lost = 0;
    if (query !== location.search) return;
    say(state.banner || "");
    document.getElementById("billed").textContent = state.billed;
    for (const [name, each] of Object.entries(state.tiles)) tiles.get(name)?.update(each);
  } catch {
    lost += 1;
    if (lost > 1) say("The dashboard's server does not answer; the page keeps its last pictures.");
  }
}

async function keepPolling() {
  for (;;) {
    await poll();
    await new Promise((done) => setTimeout(done, POLL_MILLISECONDS));
  }
}

function tick() {
  document.getElementById("clock").textContent = clockFormat.format(Date.now());
  for (const tile of tiles.values()) tile.tick();
}

for (const section of document.querySelectorAll("[data-tile]")) {
  tiles.set(section.dataset.tile, new Tile(section));
}
readAddress();
form?.addEventListener("change", writeAddress);
form?.addEventListener("submit", (event) => { event.preventDefault(); writeAddress(); });
addEventListener("popstate", () => { readAddress(); loadAll(); });
document.addEventListener("visibilitychange", poll);
addEventListener("resize", () => {
  for (const tile of tiles.values()) tile.charts.forEach((chart) => chart.resize());
});
dark.addEventListener("change", () => tiles.forEach((tile) => tile.redraw()));
setInterval(tick, 1000);
tick();
loadAll();
keepPolling();
