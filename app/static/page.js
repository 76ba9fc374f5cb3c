/* The page's behaviour. Plain JavaScript, no library.

   Everything that models and documents wrote arrives as HTML that the server has escaped
   (app/render.py, app/typeset.py, app/shelf.py); this file writes only text of its own or
   through textContent. Conversations live in the browser's IndexedDB, nowhere else. */
(() => {
"use strict";

const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
const make = (tag, options = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), options);
  element.append(...children);
  return element;
};
const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, "0")).join("");
const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

let server, upload, asks, edits;       // doors to the server, given by Gradio
let room;                              // the page's root element
const ready = {};                      // the parts of the page that Gradio has mounted
let chats = [], chat = null;           // conversations, the newest first; the open one
let running = null;                    // the turn being answered: {chat, turn, heard}
let changing = null;                   // the change of the library under way: {addresses, faults, heard}
let library = { ids: [] };
let left = new Set();                  // sources that are not asked
let found = 0;                         // sources that the filter shows
const LEFT = "The page was left before this was answered. Ask again.";
const says = (text) => { $("#said").textContent = text; };
const tells = (text) => { says(text); hint(text); };  // to every eye too

/* A read-only call to the server; a fault is a value with `error`, never an exception. */
const call = async (name, value = null) =>
  (await server[name](value).catch(() => null)) ?? { error: "The server does not answer." };

// --- Conversations in the browser -------------------------------------------------------------

const store = {
  base: null,
  open(user) {
    return new Promise((resolve) => {
      const request = indexedDB.open(user ? `reading-room of ${user}` : "reading-room", 1);
      request.onupgradeneeded = () => request.result.createObjectStore("chats", { keyPath: "id" });
      request.onsuccess = () => { this.base = request.result; resolve(); };
      request.onerror = () => resolve();   // private windows: the chats last as long as the page
    });
  },
  run(mode, work) {
    if (!this.base) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const transaction = this.base.transaction("chats", mode);
      const request = work(transaction.objectStore("chats"));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error);  // a full disk is told of only here
    });
  },
  all() { return this.run("readonly", (chats) => chats.getAll()); },
  save(chat) {
    const kept = running?.chat === chat ? { ...chat, turns: [...chat.turns, { ...running.turn, phase: "failed", error: LEFT }] } : chat;
    return this.run("readwrite", (chats) => chats.put(kept))
      .catch(() => tells("This browser has no room left for chats: export and delete some."));
  },
  remove(id) { return this.run("readwrite", (chats) => chats.delete(id)); },
};

/* Who is logged in; what another one left in this tab is forgotten. */
async function whoAmI() {
  const user = await fetch("/whoami").then((reply) => reply.json()).then((known) => known.user).catch(() => "");
  if (sessionStorage.getItem("user") !== user) sessionStorage.clear();
  sessionStorage.setItem("user", user);
  $("#logout").hidden = !user;
  $("#logout").onclick = () => fetch("/logout", { method: "POST" }).then(() => location.assign("/login"));
  return user;
}

async function loadChats() {
  await store.open(await whoAmI());
  if (!$("#question").value) showDraft();
  chats = ((await store.all()) || []).sort((a, b) => b.changed - a.changed);
  openChat(chats.find((one) => one.id === sessionStorage.getItem("chat")) || null);
}

function newChat() { openChat(null); $("#question").focus(); view("chat"); }

function openChat(one) {
  chat = one || { id: newId(), title: "", changed: 0, turns: [] };
  sessionStorage.setItem("chat", chat.id);
  endEditing();
  $(".turns").replaceChildren();
  for (const turn of chat.turns) showTurn(turn);
  if (running && running.chat === chat) showTurn(running.turn);
  showChats();
  showEmpty();
  $(".turns").scrollTop = $(".turn:last-child")?.offsetTop || 0;
}

function keepChat(one) {
  one.changed = Date.now();
  chats = [one, ...chats.filter((other) => other !== one)];
  store.save(one);
  showChats();
}

function showChats() {
  $(".chats").replaceChildren(...chats.map((one) => {
    const open = make("button", { type: "button", className: "name", textContent: one.title, dir: "auto" });
    if (one === chat) open.setAttribute("aria-current", "true");
    open.onclick = () => { openChat(one); view("chat"); };
    const rename = make("button", { type: "button", className: "mini", textContent: "✎", title: "Rename" });
    rename.setAttribute("aria-label", `Rename ${one.title}`);
    rename.onclick = () => renameChat(one, open);
    const remove = make("button", { type: "button", className: "mini", textContent: "×", title: "Delete" });
    remove.setAttribute("aria-label", `Delete ${one.title}`);
    remove.onclick = () => twice(remove, "Delete?", () => deleteChat(one));
    return make("li", {}, open, rename, remove);
  }));
  if (!chats.length) $(".chats").append(make("li", { className: "none", textContent: "None yet. They are kept in this browser only." }));
  $(".chat-title").textContent = chat.title || "New chat";
  $("#export").hidden = !chat.turns.length;
}

function renameChat(one, button) {
  const field = make("input", { value: one.title, className: "rename", maxLength: 120 });
  field.setAttribute("aria-label", "Name of the chat");
  const done = (keep) => {
    field.onblur = null;
    if (keep && field.value.trim()) { one.title = field.value.trim(); store.save(one); }
    showChats();
  };
  field.onkeydown = (event) => { if (event.key === "Enter") done(true); if (event.key === "Escape") done(false); };
  field.onblur = () => done(true);
  button.replaceWith(field);
  field.select();
}

async function deleteChat(one) {
  if (running && running.chat === one) stop();
  chats = chats.filter((other) => other !== one);
  await store.remove(one.id);
  if (one === chat) openChat(null); else showChats();
}

/* A click asks for a second one; only that acts. */
function twice(button, question, act) {
  if (button.dataset.sure) return act();
  const before = button.textContent;
  button.dataset.sure = "yes";
  button.textContent = question;
  button.classList.add("sure");
  says(`${question} Press again if so.`);
  const calmDown = () => { delete button.dataset.sure; button.textContent = before; button.classList.remove("sure"); };
  button.addEventListener("blur", calmDown, { once: true });
  setTimeout(calmDown, 4000);
}

// --- Turns --------------------------------------------------------------------------------------

function showTurn(turn) {
  const element = make("article", { className: "turn" });
  element.dataset.turn = turn.id;
  element.setAttribute("aria-label", "Question and answer");
  element.innerHTML = '<h3 class="question" dir="auto"></h3><p class="progress"></p><div class="answer"></div>' +
    '<div class="told"></div><details class="evidence" hidden><summary></summary><div></div></details>' +
    '<footer hidden><span class="foot"></span><span class="tools"></span></footer>';
  $(".question", element).textContent = turn.question;
  $(".turns").append(element);
  fillTurn(element, turn);
  return element;
}

/* Writes what has changed since the last time, and nothing else: focus and selection stay. */
function fillTurn(element, turn) {
  const answer = $(".answer", element);
  const shown = element.shown || (element.shown = { sentences: [], writing: "", evidence: "" });
  const sentences = turn.sentences || [];
  if (shown.sentences.some((html, i) => html !== sentences[i])) { answer.replaceChildren(); shown.sentences = []; shown.writing = ""; }
  let writing = $(".writing", answer);
  for (const html of sentences.slice(shown.sentences.length)) {
    const holder = document.createElement("template");
    holder.innerHTML = html + " ";
    answer.insertBefore(holder.content, writing);
  }
  shown.sentences = sentences;
  // Sentences follow each other in the direction of the first.
  if (sentences.length && !answer.dir) answer.dir = getComputedStyle(answer.firstElementChild).direction;
  if (!turn.writing) writing?.remove();
  else if (turn.writing !== shown.writing) {
    if (!writing) answer.append(writing = make("span", { className: "writing", dir: "auto" }));
    writing.innerHTML = turn.writing;
  }
  shown.writing = turn.writing || "";
  const evidence = $(".evidence", element);
  if (turn.evidence && turn.evidence !== shown.evidence) {
    $("summary", evidence).textContent = turn.evidence_title;
    if (shown.evidence) refine($("div", evidence), turn.evidence);
    else {
      $("div", evidence).innerHTML = turn.evidence;
      evidence.open = !turn.end;
      evidence.hidden = false;
    }
    shown.evidence = turn.evidence;
  }
  const progress = $(".progress", element);
  const word = progressOf(turn);
  if (progress.textContent !== word) progress.textContent = word;
  progress.classList.toggle("fault", turn.phase === "failed");
  element.classList.toggle("busy", !turn.end && turn.phase !== "failed");
  if (turn.end || turn.phase === "failed") finishTurn(element, turn);
}

/* The passages are there before their sentences are chosen. Those that stay glide to their new places,
   each still holds the focus if it had it, and a panel that was closed stays closed. */
function refine(place, html) {
  const passages = () => new Map($$(".hits > li", place).map((item) => [spanKey($(".opens", item)), item]));
  const before = new Map([...passages()].map(([key, item]) => [key, item.getBoundingClientRect().top]));
  const focused = place.contains(document.activeElement) && spanKey(document.activeElement);
  place.innerHTML = html;
  for (const [key, item] of passages()) {
    if (key === focused) $(".opens", item).focus({ preventScroll: true });
    if (calm() || !before.has(key)) continue;
    const by = before.get(key) - item.getBoundingClientRect().top;
    if (by) item.animate([{ transform: `translateY(${by}px)` }, { transform: "none" }], { duration: 250, easing: "ease-out" });
  }
}
const spanKey = ({ dataset }) => `${dataset.document} ${dataset.start}`;

function progressOf(turn) {
  if (turn.phase === "failed") return turn.error;
  if (turn.end) return "";
  if (turn.phase === "waiting") return "Searching the sources …";
  if (turn.phase === "reading") return ready.model === "loading" ? "Found these passages. The model is still loading …" : "Found these passages. Reading them …";
  return "";
}

function finishTurn(element, turn) {
  const end = turn.end || {};
  $(".told", element).innerHTML = (end.abstention || "") + (end.notice || "");
  $(".foot", element).textContent = end.foot || "";
  const used = new Set($$(".answer .chip", element).map((chip) => chip.dataset.number));
  for (const line of $$(".line", element)) line.classList.toggle("used", used.has(line.dataset.number));
  const tool = (text, label, act) => {
    const button = make("button", { type: "button", className: "quiet", textContent: text, title: label, onclick: act });
    if (label !== text) button.setAttribute("aria-label", label);
    return button;
  };
  const tools = [tool("Edit", "Edit the question", () => editTurn(turn)), tool("Retry", "Ask again", (event) => retry(turn, event.currentTarget))];
  if (turn.end) {
    tools.unshift(tool("Copy", "Copy with citations", (event) => copy(`${turn.question}\n\n${end.markdown}`, event.target)));
    for (const [rating, look, label] of [["good", "up", "Good answer"], ["bad", "down", "Bad answer"]]) {
      const button = tool("", label, () => rate(turn, rating, element));
      button.classList.add("rating", look);
      button.innerHTML = '<svg viewBox="0 0 20 20" aria-hidden="true"><path d="M6 9v8H3V9zm0 0 4-7c1.6 0 2.2 1.2 1.9 2.6L11.300 8h4.400c1.200 0 2 1 1.700 2.200l-1.300 5.300A2 2 0 0 1 14.200 17H6"/></svg>';
      button.setAttribute("aria-pressed", String(turn.rating === rating));
      tools.push(button);
    }
  }
  $(".tools", element).replaceChildren(...tools);
  $("footer", element).hidden = false;
}

function showEmpty() {
  $(".empty")?.remove();
  if (chat.turns.length || (running && running.chat === chat)) return;
  const empty = make("div", { className: "empty" });
  if (ready.sources && !library.ids.length) {
    empty.append(make("p", { className: "lead", textContent: "The library is empty." }),
      make("p", { textContent: "Add an article in the library: paste its address, or drop a file. Then ask." }));
  } else {
    empty.append(make("p", { className: "lead", textContent: "Ask, and read it in the source." }),
      make("p", { textContent: "Each sentence of an answer carries a number. It leads to the exact words of the article that bear it out; what no source bears out is marked." }));
    suggest(empty);
  }
  $(".turns").append(empty);
}

/* Questions that the article, or the library, answers; they come when they have been held against it. */
async function suggest(place, id = null) {
  const reply = await call("suggestions", id);
  if (reply.questions?.length && place.isConnected) place.append(suggestionList(reply.questions));
  else if (id) place.remove();
}

function suggestionList(questions) {
  return make("ul", { className: "suggestions" }, ...questions.map((question) => {
    const button = make("button", { type: "button", textContent: question, dir: "auto" });
    button.onclick = () => submit(question);
    return make("li", {}, button);
  }));
}

// --- Asking ---------------------------------------------------------------------------------------

function submit(question, from = chat.turns.length) {
  question = question.trim();
  if (!question) return tells("Type a question first.");
  if (running || !asks) return hint("Another question is being answered: wait, or stop it.");
  chat.turns.splice(from);
  $$(".turn").slice(from).forEach((element) => element.remove());
  const turn = { id: newId(), question, at: Date.now(), phase: "waiting", documents: chosenSources(), model: $("#model").value || null };
  running = { chat, turn, heard: Date.now() };
  if (!chat.title) chat.title = question.length > 60 ? question.slice(0, 59).trimEnd() + "…" : question;
  keepChat(chat);
  $(".empty")?.remove();
  const element = showTurn(turn);
  const history = chat.turns.filter((one) => one.end).slice(-6)
    .map((one) => ({ question: one.question, answer: one.end.json.abstained ? "" : one.end.text }));
  asks.ask({ turn: turn.id, question, history, documents: turn.documents, model: turn.model });
  busy(true);
  view("chat");
  const list = $(".turns");
  list.scrollTo({ top: element.offsetTop, behavior: calm() ? "auto" : "smooth" });
}

function chosenSources() { return left.size ? library.ids.filter((id) => !left.has(id)) : null; }

function answered(message) {
  if (!message || !running || message.turn !== running.turn.id) return;
  running.heard = Date.now();
  const { turn } = running;
  Object.assign(turn, message);
  const element = $(`[data-turn="${turn.id}"]`);
  if (element) fillTurn(element, turn);
  if (!turn.end && turn.phase !== "failed") return;
  finish();
}

function finish() {
  const { chat: of, turn } = running;
  running = null;
  delete turn.turn; delete turn.writing;
  busy(false);
  if (!chats.includes(of)) return;  // deleted meanwhile: keeping the answer would bring the chat back
  of.turns.push(turn);
  keepChat(of);
  const element = $(`[data-turn="${turn.id}"]`);
  if (!element) return;
  const evidence = $(".evidence", element);
  if (turn.end) evidence.open = false;
  says(turn.end ? (turn.end.json.abstained ? "The sources do not answer this." : `Answered: ${turn.end.text}`) : turn.error);
  const first = $(".answer .chip, .told .opens", element);
  const reading = reader.origin && element.contains(reader.origin);
  if (first && !reading && matchMedia("(min-width: 1000px)").matches) openAt(first, { quietly: true });
}

function stop() {
  if (!running) return;
  const { turn } = running;
  asks.stop({ turn: turn.id });
  // The server ends the turn with what stands; when it cannot be reached, the page does.
  setTimeout(() => { if (running && running.turn === turn) fail("Stopped."); }, 10000);
}

function fail(line) {
  Object.assign(running.turn, { phase: "failed", error: line });
  const element = $(`[data-turn="${running.turn.id}"]`);
  if (element) fillTurn(element, running.turn);
  finish();
}

async function watchConnection() {
  const status = await Promise.race([call("status", $("#model").value || null), new Promise((done) => setTimeout(done, 8000, {}))]);
  const lost = !status.state;
  room.classList.toggle("offline", lost);
  const line = lost ? "The server does not answer." : status.line;
  if ($(".model").textContent !== line) $(".model").textContent = line;
  $(".model").dataset.state = lost ? "failed" : status.state;
  ready.model = lost ? "lost" : status.state;
  if (lost && changing && Date.now() - changing.heard > 10000) loseChange();
  if (lost && running && Date.now() - running.heard > 10000) fail("The connection to the server was lost. Ask again when it is back.");
  const settled = !lost && (status.state === "ready" || status.state === "failed");
  clearTimeout(ready.watch);
  ready.watch = setTimeout(watchConnection, running || changing || !settled ? 1500 : 15000);
}

/* The models to choose from; the choice lasts as long as the tab. */
async function loadModels() {
  const { models = [] } = await call("models");
  const place = $("#model"), before = sessionStorage.getItem("model");
  place.replaceChildren(...models.map((one) => make("option", { value: one.id, textContent: `${one.name} (${one.where})`, selected: one.id === before })));
  place.hidden = models.length < 2;
}

function chooseModel() {
  sessionStorage.setItem("model", $("#model").value);
  watchConnection();
}

function busy(yes) {
  const button = $("#send");
  button.textContent = yes ? "Stop" : "Ask";
  button.classList.toggle("stop", yes);
  room.classList.toggle("answering", yes);
}

function hint(line) {
  const scope = $(".scope");
  scope.textContent = line;
  scope.hidden = false;
  scope.classList.add("hint");
  clearTimeout(ready.hint);
  ready.hint = setTimeout(showScope, 3000 + 50 * line.length);  // long enough to be read
}

function editTurn(turn) {
  if (running) return;
  const at = chat.turns.indexOf(turn);
  const field = $("#question");
  field.dataset.from = at;
  field.value = turn.question;
  grow(field);
  field.focus();
  showScope();
}

function endEditing() {
  const field = $("#question");
  if (field.dataset.from === undefined) return;
  delete field.dataset.from;
  showDraft();
  showScope();
}

/* What is typed and not asked yet outlasts a reload of the page and the edit of another question. */
function keepDraft() {
  const field = $("#question");
  if (field.dataset.from === undefined) sessionStorage.setItem("draft", field.value);
}

function showDraft() {
  const field = $("#question");
  field.value = sessionStorage.getItem("draft") || "";
  grow(field);
}

function retry(turn, button) {
  if (running) return;
  const at = chat.turns.indexOf(turn);
  const again = () => submit(turn.question, at);
  if (at === chat.turns.length - 1) again(); else twice(button, "Replaces later answers?", again);
}

async function rate(turn, rating, element) {
  const at = chat.turns.indexOf(turn);
  const history = chat.turns.slice(Math.max(0, at - 6), at).map((one) => ({ question: one.question, answer: one.end?.text || "" }));
  const reply = await call("rate", { id: turn.id, rating, question: turn.question, history, documents: turn.documents, answer: turn.end.json });
  if (reply.error) return tells(reply.error);
  turn.rating = rating;
  store.save(chat);
  for (const button of $$(".rating", element)) button.setAttribute("aria-pressed", String((button.title === "Good answer") === (rating === "good")));
  says("Noted, on the server's own disk.");
}

async function copy(text, button) {
  try { await navigator.clipboard.writeText(text); }
  catch {
    const field = make("textarea", { value: text });
    document.body.append(field); field.select(); document.execCommand("copy"); field.remove();
  }
  const before = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = before; }, 1500);
  says("Copied with citations.");
}

function exportChat() {
  const heading = (text) => text.replace(/[\\`*_[\]<>#|~$!]/g, "\\$&").replace(/\s+/g, " ");
  const parts = [`# ${heading(chat.title)}`];
  chat.turns.forEach((turn, i) => {
    parts.push(`## ${heading(turn.question)}`);
    // Footnotes are numbered anew in each answer: the turn's number keeps them apart.
    parts.push(turn.end ? turn.end.markdown.replace(/(?<!\\)\[\^(\d+)\]/g, `[^${i + 1}-$1]`) : `*${heading(turn.error || "No answer.")}*`);
  });
  const link = make("a", { href: URL.createObjectURL(new Blob([parts.join("\n\n") + "\n"], { type: "text/markdown" })) });
  link.download = (chat.title.replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 60).replace(/^-|-$/g, "") || "chat") + ".md";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// --- Reader -----------------------------------------------------------------------------------------

const reader = { id: null, runs: [], painted: new Set(), list: [], at: -1, origin: null, asked: 0 };

/* Opens the reader at the span that `button` names, and lists the citations of its answer. */
function openAt(button, { quietly = false } = {}) {
  const turn = button.closest(".turn");
  const spans = [];
  for (const chip of turn ? $$(".answer .chip", turn) : []) {
    const span = spanOf(chip);
    if (!spans.some((other) => same(other, span))) spans.push(span);
  }
  const wanted = spanOf(button);
  if (!spans.some((span) => same(span, wanted)) && wanted.end > wanted.start) spans.unshift(wanted);
  reader.list = spans.filter((span) => span.end > span.start);
  reader.at = reader.list.findIndex((span) => same(span, wanted));
  reader.origin = button;
  return showCitation({ quietly, document: wanted.document });
}

const spanOf = ({ dataset }) => ({ document: dataset.document, start: +dataset.start || 0, end: +dataset.end || 0, number: dataset.number || "" });
const same = (a, b) => a.document === b.document && a.start === b.start && a.end === b.end;

async function showCitation({ quietly = false, document: id = null } = {}) {
  const span = reader.list[reader.at];
  if (!(await loadDocument(span ? span.document : id))) return;
  paint();
  placeWord();
  if (!quietly) view("reader");
  const mark = $("mark.active", room);
  const page = $(".reader .page");
  if (mark) {
    scrollTo(page, mark);
    if (!quietly) { mark.tabIndex = -1; mark.focus({ preventScroll: true }); }
  } else { page.scrollTop = 0; if (!quietly) page.focus(); }
}

/* What was never on screen has a guessed height, so the place is looked up again after each move. */
function scrollTo(page, mark, tries = 6) {
  const top = mark.getBoundingClientRect().top - page.getBoundingClientRect().top - page.clientHeight / 3;
  if (Math.abs(top) < 4 || !tries || !mark.isConnected) return;
  const near = Math.abs(top) < page.clientHeight && tries === 6 && !calm();
  page.scrollBy({ top, behavior: near ? "smooth" : "instant" });
  const again = () => scrollTo(page, mark, tries - 1);
  if (near) setTimeout(again, 500); else requestAnimationFrame(again);
}

function closeDocument() {
  Object.assign(reader, { id: null, runs: [], list: [], at: -1, origin: null });
  $(".reader article").replaceChildren();
  $(".title", room).textContent = "";
  placeWord();
  if (library.ids.length) showCitation({ quietly: true, document: library.ids[0] });
}

async function loadDocument(id) {
  if (!id) return false;
  if (reader.id === id) return true;
  const asked = ++reader.asked;
  const reply = await call("document", id);
  if (asked !== reader.asked) return false;
  const article = $(".reader article");
  reader.painted.clear();
  if (reply.error) {
    reader.id = null; reader.runs = [];
    $(".title", room).textContent = "";
    const quote = reader.origin?.dataset.quote;
    article.replaceChildren(make("p", { className: "fault", textContent: reply.error }),
      ...(quote ? [make("blockquote", { textContent: quote, dir: "auto" })] : []));
    return true;
  }
  article.innerHTML = reply.html;
  const heading = $(".text > :is(h3, h4, h5, h6):first-child", article);
  heading?.classList.toggle("again", heading.textContent.trim() === reply.title.trim());
  const asking = make("section", { className: "ask-it" }, make("h3", { textContent: "Ask about this article" }));
  article.append(asking);
  suggest(asking, id);
  reader.id = id;
  reader.runs = $$("[data-at]", article).map((element) => {
    const text = element.textContent, start = +element.dataset.at;
    return { element, text, start, end: start + lengthOf(text) };
  });
  article.classList.toggle("long", reader.runs.length > 800);
  $(".title", room).textContent = reply.title;
  showOpen();
  return true;
}

/* Which source of the library is open in the reader. */
function showOpen() {
  for (const source of $$(".source")) source.classList.toggle("open", source.dataset.document === reader.id);
}

/* Offsets count code points, JavaScript's strings count UTF-16 units. */
const astral = /[\ud800-\udbff][\udc00-\udfff]/;
const lengthOf = (text) => astral.test(text) ? Array.from(text).length : text.length;
const cut = (text, from, to) => astral.test(text) ? Array.from(text).slice(from, to).join("") : text.slice(from, to);

/* Marks exactly the characters of each citation that lie in the open article. */
function paint() {
  for (const run of reader.painted) run.element.textContent = run.text;
  reader.painted.clear();
  const here = reader.list.map((span, i) => ({ ...span, active: i === reader.at })).filter((span) => span.document === reader.id);
  for (const span of here) {
    let low = 0, high = reader.runs.length;
    while (low < high) { const middle = (low + high) >> 1; if (reader.runs[middle].end <= span.start) low = middle + 1; else high = middle; }
    for (; low < reader.runs.length && reader.runs[low].start < span.end; low++) reader.painted.add(reader.runs[low]);
  }
  const numbered = new Set();
  for (const run of [...reader.painted].sort((a, b) => a.start - b.start)) {
    const over = here.filter((span) => span.start < run.end && span.end > run.start);
    const edges = [...new Set([run.start, run.end, ...over.flatMap((span) => [span.start, span.end])])]
      .filter((edge) => edge >= run.start && edge <= run.end).sort((a, b) => a - b);
    const pieces = edges.slice(1).map((end, i) => {
      const text = cut(run.text, edges[i] - run.start, end - run.start);
      const covering = over.filter((span) => span.start < end && span.end > edges[i]);
      if (!covering.length) return text;
      const mark = make("mark", { textContent: text, className: covering.some((span) => span.active) ? "active" : "" });
      const first = covering.find((span) => span.active) || covering[0];
      if (first.number && !numbered.has(first)) { numbered.add(first); mark.dataset.number = first.number; }
      return mark;
    });
    run.element.replaceChildren(...pieces);
  }
  spreadBadges();
}

/* A number in the margin whose place another one takes, for both begin on one line, moves down below it. */
function spreadBadges() {
  const badges = $$(".reader mark[data-number]").map((mark) => ({ mark, top: mark.getClientRects()[0]?.top ?? 0 }));
  let free = -Infinity;  // where the next one may begin, in pixels of the window
  for (const { mark, top } of badges.sort((a, b) => a.top - b.top)) {
    const down = Math.max(0, free - top);
    mark.style.setProperty("--down", `${down}px`);
    free = top + down + 20;
  }
}

function placeWord() {
  const count = reader.list.length;
  $(".place").textContent = reader.at >= 0 ? `Citation ${reader.at + 1} of ${count}${elsewhere()}` : "";
  $(".steps").hidden = count < 2;
}

/* That the margin does not show every citation of the answer. */
function elsewhere() {
  const others = reader.list.filter((span) => span.document !== reader.list[reader.at].document);
  const articles = new Set(others.map((span) => span.document)).size;
  return articles ? ` · ${others.length} in ${articles > 1 ? "other articles" : "another article"}` : "";
}

function step(by) {
  if (reader.list.length < 2) return;
  reader.at = (reader.at + by + reader.list.length) % reader.list.length;
  showCitation();
}

function back() {
  view("chat");
  if (reader.origin?.isConnected) { reader.origin.focus(); reader.origin.scrollIntoView({ block: "nearest" }); } else $("#question").focus();
}

function offerAsking() {
  const button = $("#about-this");
  const selection = getSelection();
  const text = selection.toString().trim();
  const inside = selection.rangeCount && $(".reader .text")?.contains(selection.getRangeAt(0).commonAncestorContainer);
  button.hidden = !(inside && text && text.length < 600);
  if (button.hidden) return;
  const box = selection.getRangeAt(0).getBoundingClientRect();
  const around = $(".reader").getBoundingClientRect();
  button.style.top = `${Math.max(56, box.top - around.top - 40)}px`;
  button.style.left = `${Math.min(Math.max(8, box.left - around.left), around.width - 150)}px`;
  button.dataset.text = text.replace(/\s+/g, " ");
}

function askAboutSelection() {
  const button = $("#about-this");
  const field = $("#question");
  endEditing();
  field.value = `“${button.dataset.text}” – ${field.value}`;
  keepDraft();
  button.hidden = true;
  getSelection().removeAllRanges();
  view("chat");
  grow(field);
  field.focus();
}

// --- Citation cards -----------------------------------------------------------------------------------

function showCard(chip) {
  const card = $("#card");
  card.replaceChildren(make("p", { className: "quote", dir: "auto", textContent: chip.dataset.quote }),
    make("p", { className: "from", dir: "auto", textContent: [chip.dataset.title, chip.dataset.note].filter(Boolean).join(" · ") }));
  card.hidden = false;
  chip.setAttribute("aria-describedby", "card");
  const at = chip.getBoundingClientRect();
  const above = at.top > card.offsetHeight + 16;
  card.style.left = `${Math.max(8, Math.min(at.left - 24, innerWidth - card.offsetWidth - 8))}px`;
  card.style.top = `${above ? at.top - card.offsetHeight - 8 : at.bottom + 8}px`;
}

function hideCard() { $("#card").hidden = true; $("[aria-describedby=card]")?.removeAttribute("aria-describedby"); }

// --- Library ------------------------------------------------------------------------------------------

async function loadSources() {
  const reply = await call("sources");
  if (reply.error) { $(".changes").textContent = reply.error; return; }
  library = reply;
  ready.sources = true;
  $(".sources").innerHTML = reply.list;
  left = new Set([...left].filter((id) => reply.ids.includes(id)));
  for (const source of $$(".source")) $("input", source).checked = !left.has(source.dataset.document);
  filterSources();
  showOpen();
  showScope();
  showEmpty();
  if (!reader.id && reply.ids.length && matchMedia("(min-width: 1000px)").matches) { reader.list = []; reader.at = -1; showCitation({ quietly: true, document: reply.ids[0] }); }
}

function showScope() {
  const all = library.ids.length, asked = all - left.size;
  const word = all === 1 ? "1 source" : `${all} sources`;
  $("#refresh").hidden = !library.fetched;
  const editing = $("#question").dataset.from !== undefined;
  $(".scope").classList.remove("hint");
  $(".scope").textContent = editing ? "Editing: later answers are replaced (Esc: don’t)" : !ready.sources ? "" : left.size ? `Asking ${asked} of ${word}` : `Asking ${all > 1 ? "all " : ""}${word}`;
  $(".scope").hidden = all < 2 && !left.size && !editing;  // which goes without saying
  $(".chosen").textContent = [found < all ? `${found} of ${word} found` : "", left.size ? `${asked} of ${word} asked` : ""].filter(Boolean).join(" · ");
  $("#choose-all").setAttribute("aria-pressed", String(!left.size));
  $("#choose-all").textContent = choosesFound() ? "Ask only these" : left.size ? "Ask all" : "All asked";
  $("#choose-all").hidden = all < 2;
  $("#filter").hidden = all < 6;
}

function filterSources() {
  const words = $("#filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  found = 0;
  for (const block of $$(".block")) {
    const sources = $$(".source", block);
    for (const source of sources) source.hidden = !words.every((word) => source.dataset.find.includes(word));
    const shown = sources.filter((source) => !source.hidden).length;
    block.style.setProperty("--sources", shown);  // a block out of sight is as high as what it would show
    found += shown;
  }
}

/* Whether a filter is set and others than the sources that it found are asked. */
const choosesFound = () => found && found < library.ids.length && $$(".source").some((one) => one.hidden !== left.has(one.dataset.document));

function chooseAll() {
  if (choosesFound()) left = new Set($$(".source[hidden]").map((one) => one.dataset.document));
  else if (left.size) left.clear();
  else left = new Set(library.ids);
  for (const source of $$(".source")) $("input", source).checked = !left.has(source.dataset.document);
  showScope();
}

async function addSources(addresses, files) {
  const place = $(".changes");
  const paths = [], faults = [];
  for (const file of files) {
    place.replaceChildren(make("p", { textContent: `Uploading ${file.name} …` }));
    try {
      if (file.size > 50_000_000) throw new Error("larger than 50 MB");
      paths.push((await upload(file)).path);
    } catch (error) { faults.push(`${file.name}: ${error.message}`); }
  }
  if (addresses.length || paths.length) startChange({ add: addresses, files: paths }, faults);
  else showResults(faults.map(asFault));
}

/* `faults`: lines on what could not be uploaded, shown with the results of the rest. */
function startChange(change, faults = []) {
  const halt = make("button", { type: "button", className: "quiet", textContent: "Stop", onclick: () => edits.halt() });
  $(".changes").replaceChildren(make("p", { className: "progress", textContent: "Starting …" }), halt);
  changing = { addresses: change.add || [], faults, heard: Date.now() };
  edits.alter({ ...change, id: newId() });
}

const asFault = (line) => ({ line, fault: true });

function showResults(results) {
  $(".changes").replaceChildren(...results.map((one) => make("p", { className: one.fault ? "fault" : "good", textContent: one.line, dir: "auto" })));
}

/* Addresses that were not added stand in the field again, to be mended or tried once more. */
function giveBack(addresses) {
  if (!addresses.length) return;
  const field = $("#addresses");
  field.value = [field.value.trim(), ...addresses].filter(Boolean).join("\n");
  grow(field);
}

function loseChange() {
  const { addresses, faults } = changing;
  changing = null;
  giveBack(addresses);
  showResults([...faults, "The connection to the server was lost. Look at the library when it is back."].map(asFault));
}

/* The progress and the end of an addition or removal. */
function changed(message) {
  if (!message) return;
  const place = $(".changes");
  if (!message.done) {
    changing = { addresses: [], faults: [], ...changing, heard: Date.now() };
    const line = $(".progress", place);
    if (line) line.textContent = message.line; else place.prepend(make("p", { className: "progress", textContent: message.line }));
    return;
  }
  const results = [...(changing?.faults || []).map(asFault), ...message.results];
  giveBack(message.failed || changing?.addresses || []);
  changing = null;
  showResults(results);
  loadSources().then(() => {
    if (reader.id && !library.ids.includes(reader.id)) closeDocument();
    if (!message.opened) return;
    reader.list = []; reader.at = -1;
    showCitation({ document: message.opened, quietly: true }).then(placeWord);
    // Where one view is seen at a time, the article opens unless there are faults to be read first.
    if (room.dataset.view === "library" && !results.some((one) => one.fault)) view("reader");
  });
}

// --- Wiring --------------------------------------------------------------------------------------------

function view(name) {
  room.dataset.view = name;
  for (const button of $$(".views button")) button.setAttribute("aria-pressed", String(button.dataset.view === name));
  if (name === "reader") spreadBadges();
}

function grow(field) {
  field.style.height = "auto";
  field.style.height = `${Math.min(field.scrollHeight + 2, 220)}px`;
}

function listen() {
  $(".ask").addEventListener("submit", (event) => {
    event.preventDefault();
    if (running) return stop();
    const field = $("#question");
    const from = field.dataset.from === undefined ? undefined : +field.dataset.from;
    const question = field.value;
    if (from === undefined) sessionStorage.removeItem("draft");
    delete field.dataset.from;
    showDraft();
    showScope();
    submit(question, from);
  });
  $("#question").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      if (!running) $(".ask").requestSubmit();
    }
  });
  for (const field of ["#question", "#addresses"]) $(field).addEventListener("input", (event) => grow(event.target));
  $("#question").addEventListener("input", keepDraft);
  room.addEventListener("click", (event) => {
    const target = event.target.closest("button, .skip");
    if (!target) return;
    if (target.matches(".chip, .opens")) { hideCard(); openAt(target); }
    else if (target.matches(".source .remove")) twice(target, "Remove?", () => startChange({ remove: target.closest(".source").dataset.document }));
    else if (target.matches(".source .again")) startChange({ refresh: target.closest(".source").dataset.document });
    else if (target.matches(".views button")) view(target.dataset.view);
    else if (target.matches(".skip")) { event.preventDefault(); $("#question").focus(); }
  });
  for (const [show, hide] of [["mouseover", "mouseout"], ["focusin", "focusout"]]) {
    room.addEventListener(show, (event) => { const chip = event.target.closest?.(".chip"); if (chip) showCard(chip); });
    room.addEventListener(hide, (event) => { if (event.target.closest?.(".chip")) hideCard(); });
  }
  $("#new-chat").onclick = newChat;
  $("#export").onclick = exportChat;
  $("#previous").onclick = () => step(-1);
  $("#next").onclick = () => step(1);
  $("#back").onclick = back;
  $("#about-this").onclick = askAboutSelection;
  const page = $(".reader .page");
  page.addEventListener("scroll", () => $(".title", room).classList.toggle("seen", page.scrollTop > 110), { passive: true });
  $("#about-this").onmousedown = (event) => event.preventDefault();
  $("#choose-all").onclick = chooseAll;
  $("#model").onchange = chooseModel;
  $("#refresh").onclick = () => startChange({ refresh: true });
  $("#filter").oninput = () => { filterSources(); showScope(); };
  $(".sources").addEventListener("change", (event) => {
    const id = event.target.closest(".source").dataset.document;
    if (event.target.checked) left.delete(id); else left.add(id);
    showScope();
  });
  $("#add").addEventListener("submit", (event) => {
    event.preventDefault();
    const field = $("#addresses");
    const addresses = field.value.split(/\s+/).filter(Boolean);
    if (!addresses.length) {
      field.focus();
      return showResults([asFault("Paste the address of an article first, or choose files.")]);
    }
    field.value = "";
    grow(field);
    addSources(addresses, []);
  });
  $("#files").onchange = (event) => { addSources([], [...event.target.files]); event.target.value = ""; };
  const shelf = $(".library");
  // A file is taken wherever it falls, for the browser would leave the page to open it; a link only by the library.
  const ours = ({ dataTransfer: { types }, target }) => types.includes("Files") || (types.includes("text/uri-list") && shelf.contains(target));
  room.addEventListener("dragover", (event) => {
    shelf.classList.toggle("dropping", ours(event));
    if (ours(event)) event.preventDefault();
  });
  room.addEventListener("dragleave", (event) => { if (!room.contains(event.relatedTarget)) shelf.classList.remove("dropping"); });
  room.addEventListener("drop", (event) => {
    shelf.classList.remove("dropping");
    if (!ours(event)) return;
    event.preventDefault();
    view("library");
    const text = event.dataTransfer.getData("text/uri-list");
    addSources(text ? text.split(/\s+/).filter((one) => /^https?:/.test(one)) : [], [...event.dataTransfer.files]);
  });
  document.addEventListener("selectionchange", offerAsking);
  addEventListener("resize", spreadBadges);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      if (!$("#card").hidden) hideCard();
      else if (event.target.id === "question") endEditing();
      else if (event.target.closest?.(".reader")) back();
    }
    if (event.altKey && (event.key === "ArrowDown" || event.key === "ArrowUp") && reader.list.length) {
      event.preventDefault();
      step(event.key === "ArrowDown" ? 1 : -1);
    }
    const typing = event.target.closest?.("input, textarea, select");
    if (event.target.closest?.(".reader") && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      if (event.key === "n") step(1);
      if (event.key === "p") step(-1);
    }
  });
}

function mounted() {
  if (!(server && asks && edits) || ready.page) return;
  ready.page = true;
  document.documentElement.lang = "en";
  listen();
  loadChats().then(() => { loadSources(); watchConnection(); loadModels().then(watchConnection); $("#question").focus(); });
}

window.room = {
  frame(element, functions, send) { room = $(".room", element); server = functions; upload = send; mounted(); },
  answers(door) { asks = door; mounted(); },
  changes(door) { edits = door; mounted(); },
  answered,
  changed,
};
})();
