// Starts the page: over a recorded night if data.js has one, else over the connection to the class's server.
"use strict";
(() => {
  const { by, text, setText, setHidden } = Classroom;
  const banner = (told) => {
    setText(by("banner"), told);
    setHidden(by("banner"), !told);
  };

  // A way to a part that is not there now is not there, either.
  const ways = [...document.querySelectorAll("nav li, .skip")].map((way) => [way, by((way.querySelector("a") ?? way).hash.slice(1))]);
  const showWays = () => ways.forEach(([way, part]) => setHidden(way, part.hidden));
  new MutationObserver(showWays).observe(document.querySelector("main"), { subtree: true, attributeFilter: ["hidden"] });
  showWays();

  Classroom.fillTexts();
  Classroom.watchMap();
  Classroom.watchGraph();
  if (window.RECORDING) Classroom.openRecording();
  else if (location.protocol.startsWith("http")) Classroom.open(banner);
  else banner(text("connection.nothing"));
})();
