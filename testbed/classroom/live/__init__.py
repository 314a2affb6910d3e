"""The live night: a real facility, and a class that does things to it.

`night`: the order of things. `pace`: how fast it goes by. `duties`: what the class does in the place of the timeline. `notes`: what the
trainer is to be told, and when. `orders`: what pages ask for, checked. `roles`: whose order is whose. `people`: who takes part. `welcome`:
what they are told first. `session`: answers their orders. `desk`: carries them out. `reckoning`: what their answers and preventions come
to; `keeper` writes them down. `service_look`: a look at one service. `evidence`: who waits for whom, as the class has seen it so far.
"""
