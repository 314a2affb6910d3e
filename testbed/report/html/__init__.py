"""The page: judged nights as one HTML file that asks nobody for anything, for a browser, for paper, and for a screen reader.

`page`: puts it together, and has the list of its sections. `fragment`: what a section is; `sections/` has them. `judged`: journals and
judgements side by side. `series`, `moments`: what is drawn and told of a journal. `chart`: one chart with its table. `wait_graph`:
who waited for whom, as nodes and arrows. `markup`: elements, in which every text is escaped. Beside them stand the page's style sheet and
scripts, of which `wait_graph.js` draws for the page of a class, too, and in vendor/ the libraries that draw.
"""
