"""Lessons: nights that a class plays, each a file.

`lesson`: reads one, and checks it whole. `plan`: what a file may say. `folders`: where lessons are found. `night`: a clock on which the
night takes the minutes of the lesson. `steps`: what the class does in the place of the timeline, and what is changed in that.
"""
