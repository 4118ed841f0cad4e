"""What verifies pictures, films, bodies and sounds: facts about them, samplers that make facts true, measurements.

A teacher writes a program in one of the languages of `edge_runtime.media`; rendering it and measuring the result tells
whether it is what was asked.
"""
