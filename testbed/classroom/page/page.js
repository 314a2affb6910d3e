// Starts the page: over a recorded night if data.js has one, else over the connection to the class's server.
"use strict";
(() => {
  const { by, text, setText, setHidden, allow } = Classroom;
  const banner = (told) => {
    setText(by("banner"), told);
    setHidden(by("banner"), !told);
  };

  // A way to a part that is not there now is not there, either.
  const ways = [...document.querySelectorAll("nav li, .skip")].map((way) => [way, by((way.querySelector("a") ?? way).hash.slice(1))]);
  const showWays = () => ways.forEach(([way, part]) => setHidden(way, part.hidden));
  new MutationObserver(showWays).observe(document.querySelector("main"), { subtree: true, attributeFilter: ["hidden"] });
  showWays();

  // Once the facility is down nothing can be ordered of it. The last of all views, so that none allows it again.
  Classroom.show({
    keys: ["phase", "switchover", "log.", "choice", "me"],
    update: (_, state) => {
      const down = ["ending", "over", "gone"].includes(state.phase);
      setHidden(by("desk-over"), !down);
      setText(by("desk-over"), text(state.phase === "ending" ? "desk.ending" : "desk.over"));
      if (down) for (const each of document.querySelectorAll("#desk button[data-order]")) allow(each, false);
    },
  });

  Classroom.fillTexts();
  Classroom.watchMap();
  Classroom.watchGraph();
  if (window.RECORDING) Classroom.openRecording();
  else if (location.protocol.startsWith("http")) Classroom.open(banner);
  else banner(text("connection.nothing"));
})();
