"use strict";
// A conversation with one model: what was said, and an answer as it comes.

class Talk {
  constructor() {
    this.turns = [];
  }

  /** Ask, and tell `changed` of each piece of the answer; the turn. Aborting `signal` stops the model too, for the server then hears no one. */
  async ask(model, question, settings, signal, changed) {
    const turn = {model, question, answer: "", notes: [], end: null, error: null, settings};
    const turns = this.turns.filter(({error, answer}) => !error && answer)
      .flatMap(said => [{role: "user", content: said.question}, {role: "assistant", content: said.answer}]);
    this.turns.push(turn);
    try {
      const body = {model, turns: [...turns, {role: "user", content: question}], ...settings};
      await this.read(await get("/api/chat", sending(body, {signal})), turn, changed);
    } catch (error) {
      if (signal.aborted) turn.end = "stopped";
      else turn.error = error.message;
    }
    if (!turn.end && !turn.error) turn.error = "The answer broke off: is closedbook serve still running?";
    turn.answer = turn.answer.trimEnd();
    changed(turn);
    return turn;
  }

  /** Lines of JSON: notes, pieces of text, and how it ended or what went wrong. */
  async read(response, turn, changed) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = "", piece = await reader.read(); !piece.done; piece = await reader.read()) {
      const lines = (rest + piece.value).split("\n");
      rest = lines.pop();
      for (const {notes, text, end, error} of lines.map(line => JSON.parse(line))) {
        if (notes) turn.notes = notes;
        if (text) turn.answer = (turn.answer + text).trimStart();
        if (end) turn.end = end;
        if (error) turn.error = error;
      }
      changed(turn);
    }
  }
}
