"use strict";
// What stands behind an answer, sentence by sentence.

const passageAddress = id => place("passage", ...id.split("/"));
const percent = share => `${Math.round(100 * share)}%`;

/** An element that fills itself with the passages nearest to an answer. */
function behind(turn) {
  const shown = make("div", {class: "behind"}, paragraph(soft("Looking for the nearest passages …")));
  getJson("/api/nearest", sending({model: turn.model, question: turn.question, answer: turn.answer}))
    .then(found => shown.replaceChildren(...drawn(found)), error => shown.replaceChildren(paragraph(soft(error.message))));
  return shown;
}

function drawn(found) {
  const bare = found.sentences.filter(({supported, wordless}) => !supported && !wordless).length;
  return [
    make("h3", {}, "Where from"),
    paragraph(soft(`Of the ${number(found.passages)} passages of `), link(place("corpus", found.corpus), found.corpus), soft(" that the model was trained on, "
      + "those nearest to each sentence. Nearness is evidence, not proof.")),
    bare ? paragraph(make("b", {class: "bare"}, `Nothing near supports ${bare === 1 ? "one sentence" : `${bare} sentences`}.`)) : null,
    make("ol", {}, found.sentences.map(sentence => make("li", {}, aSentence(sentence)))),
    found.left_out ? paragraph(soft(`${count(found.left_out, "more sentence")} not looked for.`)) : null,
  ].filter(part => part);
}

function aSentence({text, share, supported, wordless, passages}) {
  const mark = wordless ? soft("no words to look for")
    : supported ? make("span", {class: "mark near"}, `${percent(share)} of it and of its question in one sentence`)
      : make("span", {class: "mark bare"}, "nothing near supports this");
  const summary = make("summary", {}, quoted(text), " ", mark);
  return passages.length ? make("details", {}, summary, passages.map(aPassage)) : make("p", {}, quoted(text), " ", mark);
}

function aPassage({id, kind, document, title, sentence, share, source, source_share}) {
  return make("dl", {},
    make("dt", {}, link(passageAddress(id), "passage"), soft(` ${kind}, near by ${percent(share)}`)), make("dd", {}, quoted(sentence)),
    make("dt", {}, link(place("document", document), "document"), soft(` ${percent(source_share)} of it`)), make("dd", {}, quoted(source), soft(" "), soft(quoted(title))));
}
