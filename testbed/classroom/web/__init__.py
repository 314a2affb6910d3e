"""The web server of a class.

`addresses`: where it listens, and the tokens of the two addresses. `server`: lets browsers in, and slows down who sends too much. `hub`:
brings what changes on the board to all of them. `page_files`: what the page is made of.
"""
