"""Sentences around what a tool does. acting.txt: they want it; talking.txt: they must not act. One line is one template.

What stands for {what} and its other forms is made of a tool's schema, see `trainer_host.tasks.tool_wording`; fillers.txt
has the rest.
"""
