"""A trial: what one fault comes to over somebody else's service, with nothing but the command that starts it and one request.

`trial`: what is tried, as the scenario that it is. `first_request`: the request is sent once before anything is done to the facility.
`told`: what came of it, in a few lines.
"""
