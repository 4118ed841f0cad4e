"""What the tasks of pictures, films, bodies and sounds share: small languages, their renderers, their measurements.

A teacher writes a program in one of these languages; rendering it and measuring the result tells whether it is
what was asked. Everything is bounded before anything is drawn.
"""
