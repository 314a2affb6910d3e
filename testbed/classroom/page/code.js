// A file of the code with its line numbers; lines at which threads of a kept dump stand are marked, with how many.
"use strict";
(() => {
  const { el, by, text, setHidden, replyLine, tell, said } = Classroom;
  const OWN = /^(flight_search|lookup|callers|stability|data)\//; // as the last two parts of a path, which is what stacks have
  const FRAME = /^(\S+?):(\d+) ?(.*)$/;
  let shown = null, before = false;

  const frameOf = (line) => {
    const found = FRAME.exec(line);
    return found && { file: found[1], line: Number(found[2]), name: found[3], own: OWN.test(found[1]) };
  };
  const sameFile = (one, other) => one.split("/").slice(-2).join("/") === other.split("/").slice(-2).join("/");

  // How many threads of all kept dumps stand at each line of a file: by line.
  const threadsAt = (file) => {
    const found = new Map();
    for (const [, dump] of Classroom.under("dumps.")) {
      for (const group of dump.groups ?? []) {
        for (const frame of new Set((group.stack ?? []).filter((line) => sameFile(frameOf(line)?.file ?? "", file)))) {
          const { line } = frameOf(frame);
          found.set(line, (found.get(line) ?? 0) + group.count);
        }
      }
    }
    return found;
  };

  const show = () => {
    const { file, lines, line } = shown, at = threadsAt(file);
    const rows = lines.map((content, row) => {
      const n = row + 1, threads = at.get(n);
      const kinds = ["line", threads && "stands", n === line && "here"].filter(Boolean).join(" ");
      return el("li", { class: kinds, id: n === line ? "code-here" : null },
        el("code", {}, content || " "), threads ? el("span", { class: "threads" }, text("code.threads", { n: threads })) : null);
    });
    by("code-file").replaceChildren(said(file));
    by("code-lines").replaceChildren(el("ol", {}, ...rows));
  };

  // Of a recorded night the files come with it: without their comments, and as they are once all is revealed.
  const keptOf = (file) => (Classroom.get("revealed") && window.RECORDING?.code_revealed?.[file]) || window.RECORDING?.code?.[file];

  const open = async (file, line = null) => {
    const kept = keptOf(file);
    const told = by("code-told").firstChild ?? by("code-told").appendChild(replyLine());
    const reply = kept ? { ok: true, text: text("code.kept"), data: { file, lines: kept } } : await Classroom.order("code", { file });
    setHidden(by("code"), false);
    tell(told, reply);
    if (reply.ok && Array.isArray(reply.data?.lines)) {
      shown = { file: reply.data.file ?? file, lines: reply.data.lines, line };
      show();
      (by("code-here") ?? by("code")).scrollIntoView({ block: "center" });
    }
    by("code-title").focus({ preventScroll: true });
  };
  // The reveal may show more of the file that stands open.
  const again = async () => {
    const { file } = shown, kept = keptOf(file);
    const reply = kept ? { ok: true, data: { lines: kept } } : await Classroom.order("code", { file });
    if (!reply.ok || !Array.isArray(reply.data?.lines) || shown?.file !== file) return;
    shown.lines = reply.data.lines;
    show();
  };
  const mayOpen = (file) => Classroom.may("code") || Boolean(window.RECORDING?.code?.[file]);

  const filesOfStacks = () => {
    const frames = Classroom.under("dumps.").flatMap(([, dump]) => (dump.groups ?? []).flatMap((group) => group.stack ?? [])).map(frameOf);
    return [...new Set(frames.filter((frame) => frame?.own).map((frame) => frame.file))].sort();
  };
  // Lines of our own code at which threads stand, as file:line.
  const linesOfStacks = () => {
    const frames = Classroom.under("dumps.").flatMap(([, dump]) => (dump.groups ?? []).flatMap((group) => group.stack ?? [])).map(frameOf);
    return [...new Set(frames.filter((frame) => frame?.own).map((frame) => `${frame.file}:${frame.line}`))].sort();
  };

  Classroom.show({
    keys: ["dumps.", "revealed"],
    start: () => { shown = null; setHidden(by("code"), true); },
    update: (keys, state) => {
      if (shown && keys.some((key) => key !== "revealed")) show();
      const revealed = Boolean(state.revealed);
      if (shown && revealed !== before && (Classroom.recording || Classroom.may("code"))) again();
      before = revealed;
    },
  });
  Object.assign(Classroom, { openCode: open, mayOpenCode: mayOpen, frameOf, filesOfStacks, linesOfStacks });
})();
