"use strict";
// Places that the index alone can show: scores, models, the base, corpora, documents. A place is {heading, near, content}.

const command = text => paragraph(soft("On the command line: "), code(text));
const hashes = sha256 => table(Object.entries(sha256), [["file", ([name]) => quoted(name)], ["SHA-256", ([, value]) => code(value)]]);
const corpusLink = name => link(place("corpus", name), name);
const modelLink = run => link(place("model", run), run);
const documentLink = id => link(place("document", id), index.documents.get(id).title);
const passagesLink = (document, strategy, text) => link(place("passages", document, strategy), text);

function homePlace(_, query) {
  const models = [{run: "base"}, ...index.runs.values(), ...index.assistants.map(of => ({run: of.assistant, of}))];
  return {
    heading: "Where every score came from",
    near: {here: null, corpora: [...index.corpora.keys()], base: true},
    content: [
      paragraph("Go from a score to its model, its corpus, the passages in it, the calls and the documents behind them, and back. ",
        "Each box above and each name below leads on."),
      section("Models and their scores", table(models, [
        ["score", ({run}) => index.scores.has(run) ? link(place("score", run), run) : `${run} (not scored)`, "names"],
        ...accuracyColumns(),
        ["model", ({run, of}) => run === "base" ? link(place("base"), index.base.model) : of ? assistantOf(of) : modelLink(run), "names"],
        ["corpus", ({corpus}) => corpus ? corpusLink(corpus) : "–", "names"],
        ["corpus tokens", ({corpus_tokens = 0}) => corpus_tokens, "n"],
        ["train tokens", ({train_tokens = 0}) => train_tokens, "n"],
      ])),
      section("Documents", listing({
        address: "#lineage", query, rows: [...index.documents.values()], textOf: about,
        columns: [
          ["document", one => documentLink(one.id)],
          ["author", one => one.author ? quoted(one.author) : "–"],
          ["year", one => one.year === null ? "–" : String(one.year), "n"],
          ["entity list", one => link(place("entities", one.id), number(one.num_entities)), "n"],
          ...[...index.strategies.keys()].filter(strategy => [...index.documents.values()].some(one => one.written.has(strategy)))
            .map(strategy => [strategy, one => passagesLink(one.id, strategy, number(numPassages(one.written.get(strategy)))), "n"]),
        ],
      })),
    ],
  };
}

/** An assistant by the run that it was made from, and how. */
const assistantOf = ({run, method}) => make("span", {}, "an assistant of ", modelLink(run), soft(` (${method})`));

/** One column per task, of rows that have a run. */
function accuracyColumns() {
  const tasks = new Set([...index.scores.values()].flatMap(score => Object.keys(score.tasks)));
  return [...tasks].map(task => [task, ({run}) => {
    const found = index.scores.get(run)?.tasks[task];
    return found ? accuracy(found.accuracy, found.stderr) : "–";
  }, "n"]);
}

function scorePlace([name]) {
  const one = known(index.scores, name, "score");
  const run = index.runs.get(one.of?.run ?? name);
  return {
    heading: `Score of ${name}`,
    near: {here: "score", corpora: run ? [run.corpus] : [], run: run?.run, base: name === "base"},
    content: [
      facts([
        ["model", one.of ? assistantOf(one.of) : run ? modelLink(name) : name === "base" ? link(place("base"), index.base.model) : quoted(name)],
        ["corpus", run ? corpusLink(run.corpus) : null],
        ["questions", one.n],
        ["SHA-256 of the questions", code(one.questions_sha256)],
        ["file", code(`results/scores/${name}.json`)],
      ]),
      one.explanation ? paragraph(one.explanation) : section("Accuracy by task", table(Object.entries(one.tasks), [
        ["task", ([task]) => task],
        ["accuracy, ± over questions only", ([, of]) => accuracy(of.accuracy, of.stderr), "n"],
        ["hard subset", ([, of]) => of.accuracy_hard === null ? "–" : accuracy(of.accuracy_hard, of.stderr_hard), "n"],
        ["n", ([, of]) => of.n, "n"],
        ["documents", ([, of]) => of.n_documents, "n"],
        ["metric", ([, of]) => of.metric],
        ["task version", ([, of]) => String(of.version), "n"],
      ])),
      command(`closedbook trace results/scores/${name}.json`),
    ],
  };
}

function modelPlace([name]) {
  const one = known(index.runs, name, "model");
  const numbers = ["seed", "num_steps", "block_size", "batch_size", "num_blocks", "corpus_tokens", "train_tokens", "replay_tokens",
    "padding_tokens", "num_parameters"];
  return {
    heading: `Model ${name}`,
    near: {here: "model", corpora: [one.corpus], run: name},
    content: [
      facts([
        ["SHA-256", code(one.model_sha256)],
        ["base", link(place("base"), one.base.model)],
        ["corpus", corpusLink(one.corpus)],
        ["score", index.scores.has(name) ? link(place("score", name), name) : null],
        ["talk to it", link(place("chat", "base", name), "beside the base")],
        ["assistants made of it", commas(index.assistants.filter(({run}) => run === name).map(({assistant}) => link(place("chat", name, assistant), assistant)))],
        ...numbers.map(field => [field.replace("num_", "").replaceAll("_", " "), one[field]]),
        ["loss", `${one.first_loss.toFixed(3)} at the first step, ${one.last_loss.toFixed(3)} at the last`],
        ["SHA-256 of all it read, in order", code(one.data_sha256)],
        ["folder", code(`results/runs/${name}`)],
      ]),
      section("Its files", hashes(one.sha256)),
      command(`closedbook trace results/runs/${name}/run.json`),
      command(`closedbook trace --run ${name} --token 0`),
    ],
  };
}

function basePlace() {
  const one = index.base;
  return {
    heading: ["Base ", quoted(one.model)],
    near: {here: "base", corpora: [...index.corpora.keys()], base: true},
    content: [
      facts([
        ["model", quoted(one.model)],
        ["loaded from", quoted(one.load)],
        ["revision", one.revision ?? "none given"],
        ["context", one.context && count(one.context, "token")],
        ["score", link(place("score", "base"), "base")],
        ["models made from it", commas([...index.runs.keys()].map(modelLink))],
      ]),
      Object.keys(one.sha256).length ? section("Its files", hashes(one.sha256)) : null,
      command("closedbook trace results/base/base.json"),
    ],
  };
}

function corpusPlace([name], query) {
  const one = known(index.corpora, name, "corpus");
  const rows = [...one.documents].map(([id, [passages, tokens]]) => ({id, passages, tokens}));
  return {
    heading: `Corpus ${name}`,
    near: {here: "corpus", corpora: [name]},
    content: [
      facts([
        ["strategy", one.strategy],
        ["models", commas(runsOf([name]).map(each => modelLink(each.run)))],
        ["passages", one.num_passages],
        ["tokens", one.corpus_tokens],
        ["tokens that exist", one.existing_tokens],
        ["left out", one.num_passages_left_out ? count(one.num_passages_left_out, "passage") : null],
        ["cut where the budget ends", one.cut && passageLink(one.cut.passage)],
        ["SHA-256 of the tokenizer", code(one.tokenizer_sha256)],
        ["folder", code(`results/corpora/${name}`)],
      ]),
      section("What each strategy gave", table(Object.entries(one.strategies), [
        ["strategy", ([strategy]) => strategy],
        ["share of the tokens", ([, of]) => of.share.toFixed(3), "n"],
        ["passages", ([, of]) => of.passages, "n"],
        ["tokens", ([, of]) => of.tokens, "n"],
        ["tokens that exist", ([, of]) => of.existing_tokens, "n"],
      ])),
      section("Kinds of passages", table(Object.entries(one.kinds), [
        ["kind", ([kind]) => kind],
        ["passages", ([, of]) => of.passages, "n"],
        ["tokens", ([, of]) => of.tokens, "n"],
      ])),
      section("Documents it draws on", listing({
        address: place("corpus", name), query, rows, textOf: ({id}) => about(index.documents.get(id)),
        columns: [
          ["document", ({id}) => documentLink(id)],
          ["passages", ({passages}) => passages, "n"],
          ["of", ({id}) => commas(Object.keys(one.strategies).map(strategy => passagesLink(id, strategy, strategy))), "names"],
          ["tokens", ({tokens}) => tokens, "n"],
          ["share", ({tokens}) => `${(100 * tokens / one.corpus_tokens).toFixed(2)}%`, "n"],
        ],
      })),
      command(`closedbook trace results/corpora/${name}/corpus.json`),
    ],
  };
}

const passageLink = id => link(place("passage", ...id.split("/")), id);
