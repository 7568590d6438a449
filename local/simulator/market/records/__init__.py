"""Records of the datasets, made from the market's state.

Each maker takes the seed, the instant that the records are about and the instant of
publication, and returns the records of one message.
"""
