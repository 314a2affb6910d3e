"""The web server of a class.

`addresses`: where it listens, and the tokens of the two addresses. `door`: what a connection may do, whoever has made it. `server`: lets
browsers in, and slows down who sends too much. `hub`: brings what changes on the board to all of them. `page_files`: what the page is made
of.
"""
