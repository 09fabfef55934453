"use strict";
// A call's place: what was asked of a language model, what came back, and what that stands behind.

const callLink = (id, step, call) => link(place("call", id, step, call.key), call.key);

async function callPlace([id, step, key]) {
  const one = known(index.documents, id, "document");
  return step === "entities" ? listCall(one, key) : passageCall(one, step, key);
}

async function listCall(one, key) {
  const {list, same_call} = await load(documentFile(one.id));
  const found = [list, ...list.sections].find(each => each.call?.key === key);
  return aCall(one, key, found?.call, [link(place("entities", one.id), `entity list of ${one.title}`), ...same_call.map(passageLink)],
    {corpora: corporaNames(one.id, needing(one)), call: {step: "entities", key}});
}

async function passageCall(one, strategy, key) {
  known(one.written, strategy, `strategy of ${one.id}`);
  const {passages, proposals} = await load(writtenFile(one.id, strategy));
  const behind = passages.filter(passage => passage.call?.key === key);
  const asked = [...behind, ...proposals].find(each => each.call?.key === key);
  return aCall(one, key, asked?.call, behind.map(passage => passageLink(passage.id)),
    {strategy, passage: behind[0]?.id, corpora: [...new Set(behind.flatMap(passage => Object.keys(passage.places)))],
      call: {step: strategy, key}});
}

/** A call and what it stands `behind`; `found` is undefined where the document has no such call. */
function aCall(one, key, found, behind, near) {
  if (found?.key !== key) throw new NotHere(`There is no call “${key}” of ${one.id} here.`);
  return {
    heading: `Call ${key.slice(0, 16)}`,
    near: {here: "call", document: one.id, ...near},
    content: [
      facts([
        ["key", code(key)],
        ["behind", make("ul", {}, behind.map(each => make("li", {}, each)))],
        ["document", documentLink(one.id)],
        ["model asked", quoted(found.model)],
        ["model that answered", quoted(found.model_answered)],
        ["prompt", found.prompt],
        ["SHA-256 of the prompt", code(found.prompt_sha256)],
        ["SHA-256 of the response", code(found.response_sha256)],
        ["sample", String(found.sample)],
        ["attempt", String(found.attempt)],
        ["finish reason", quoted(found.finish_reason)],
        ["cost", found.cost_usd === null ? "not known" : `${found.cost_usd.toFixed(6)} US dollars`],
      ]),
      section("Settings and usage", table([...Object.entries(found.settings), ...Object.entries(found.usage)], [
        ["name", ([name]) => name.replaceAll("_", " ")],
        ["value", ([, value]) => value === null ? "–" : quoted(String(value))],
      ])),
    ],
  };
}
