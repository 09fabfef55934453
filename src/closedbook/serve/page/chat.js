"use strict";
// The chat: one question, the answers of one or two models side by side. It lives on while another part of the page is looked at.

const NOBODY = "nobody";
const ENDS = {length: "cut at the most tokens allowed", stopped: "stopped"};
const talks = [new Talk(), new Talk()];
let speakers = null, chosen = ["base", NOBODY], stopping = null, chat = null;

/** `names`: of the models, where the address has some. */
async function chatPlace(names) {
  speakers = await getJson("/api/models");
  if (!speakers.all.length) throw new NotHere("There is no model here yet: run snakemake --cores all, or dvc pull.");
  const known = new Set([...speakers.all.map(one => one.name), NOBODY]);
  if (names.some(name => name && !known.has(name))) throw new NotHere(`There is no model “${names.find(name => !known.has(name))}” here.`);
  if (names.length) chosen = [names[0], names[1] || NOBODY];
  else if (!chat) chosen = speakers.shown;
  chosen = chosen.map(name => known.has(name) ? name : NOBODY);
  chat ??= chatBox();
  chat.choose();
  return {heading: "Chat", near: null, content: [chat.element]};
}

function chatBox() {
  const selects = [0, 1].map(side => make("select", {"aria-label": side ? "Model beside it" : "Model"}));
  const said = make("div", {class: "said", role: "log", "aria-label": "Conversation"});
  const question = make("textarea", {rows: 2, "aria-label": "Question", placeholder: "Ask something (Enter sends, Shift and Enter begin a line)"});
  const settings = settingsBox();
  const [send, stop, again, copy, save] = [["send", "submit"], ["stop"], ["new conversation"], ["copy"], ["export"]]
    .map(([text, type = "button"]) => make("button", {type}, text));
  const form = make("form", {}, question, make("div", {class: "buttons"}, send, stop, again, copy, save));
  const buttons = () => {
    send.disabled = stopping !== null;
    stop.disabled = stopping === null;
    for (const button of [again, copy, save]) button.disabled = stopping !== null || !talks.some(({turns}) => turns.length);
    copy.hidden = !navigator.clipboard; // browsers give it to this machine's own addresses only
  };
  const choose = () => selects.forEach((select, side) => {
    const names = [...speakers.all.map(one => one.name), ...(side ? [NOBODY] : [])];
    select.replaceChildren(...names.map(name => make("option", {value: name}, name)));
    select.value = chosen[side];
  });
  selects.forEach((select, side) => select.addEventListener("change", () => {
    chosen[side] = select.value;
    history.replaceState(null, "", place("chat", ...chosen));
    main.dataset.shown = location.hash;
    warm();
  }));
  question.addEventListener("focus", warm);
  question.addEventListener("keydown", event => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  addEventListener("keydown", event => event.key === "Escape" && stopping?.abort());
  form.addEventListener("submit", async event => {
    event.preventDefault();
    const asked = question.value.trim();
    if (!asked || stopping || !settings.element.reportValidity()) return;
    question.value = "";
    stopping = new AbortController();
    buttons();
    await exchange(said, asked, settings.values());
    stopping = null;
    buttons();
  });
  stop.addEventListener("click", () => stopping?.abort());
  again.addEventListener("click", () => {
    for (const talk of talks) talk.turns = [];
    said.replaceChildren();
    buttons();
    question.focus();
  });
  copy.addEventListener("click", () => navigator.clipboard.writeText(asText()));
  save.addEventListener("click", saveFile);
  buttons();
  const element = make("div", {class: "chat"}, make("div", {class: "models"}, ...selects), settings.element, said, form);
  return {element, choose};
}

function settingsBox() {
  const field = (name, label, attributes) => [name, label, make(attributes.rows ? "textarea" : "input", {...attributes, name})];
  const fields = [
    field("system", "system prompt", {rows: 2}),
    field("temperature", "temperature", {type: "number", min: 0, max: 2, step: "any", value: 0, required: ""}),
    field("max_tokens", "most tokens", {type: "number", min: 1, max: 8192, value: 256, required: ""}),
    field("seed", "seed", {type: "number", min: 0, max: 2147483647, value: 1, required: ""}),
  ];
  const element = make("form", {class: "settings"}, make("details", {}, make("summary", {}, "settings"),
    fields.map(([, label, input]) => make("label", {}, make("span", {}, label), input))));
  element.addEventListener("submit", event => event.preventDefault());
  return {element, values: () => Object.fromEntries(fields.map(([name, , input]) => [name, input.type === "number" ? Number(input.value) : input.value]))};
}

/** Have the chosen models loaded, so that the first answer need not wait for it; what is wrong with one is said when it is asked. */
function warm() {
  for (const name of chosen) if (name !== NOBODY) fetch(`/api/models/${encodeURIComponent(name)}`).catch(() => null);
}

async function exchange(said, question, settings) {
  const asked = chosen.flatMap((model, side) => model === NOBODY ? [] : [{model, talk: talks[side]}]);
  const cells = asked.map(({model}) => make("section", {class: "answer", "aria-label": `Answer of ${model}`}));
  said.append(make("div", {class: "turn"}, make("p", {class: "question", dir: "auto"}, question), make("div", {class: "answers"}, cells)));
  cells.at(-1).scrollIntoView({block: "nearest"});
  await Promise.all(asked.map(async ({model, talk}, at) => {
    drawAnswer(cells[at], {model, answer: "", notes: [], end: null});
    const turn = await talk.ask(model, question, settings, stopping.signal, now => drawAnswer(cells[at], now));
    if (turn.answer && speakers.all.find(one => one.name === model)?.corpus) cells[at].append(behind(turn));
  }));
}

function drawAnswer(cell, {model, answer, notes, end, error}) {
  cell.replaceChildren(
    make("h2", {}, quoted(model)),
    make("p", {class: "text", dir: "auto"}, answer, !end && !error ? make("span", {class: "cursor", "aria-hidden": "true"}, "▍") : ""),
    ...(error ? [make("p", {class: "error", role: "alert"}, quoted(error))] : []),
    ...(ENDS[end] ? [paragraph(soft(ENDS[end]))] : []),
    ...notes.map(note => paragraph(soft(quoted(note)))));
}

const asText = () => talks.flatMap(({turns}) => turns.map(({model, question, answer}) => `${question}\n\n${model}: ${answer}\n`)).join("\n");

function saveFile() {
  const content = JSON.stringify(talks.map(({turns}) => turns).filter(turns => turns.length), null, 1);
  const anchor = make("a", {href: URL.createObjectURL(new Blob([content], {type: "application/json"})), download: "conversation.json"});
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 1000);
}
