"""Chooses the rule of an index by judged queries.

hits              sends the search of each query to the engine
passage_variants  which ways to build passages are compared
scoring           scores the texts with the model, once for each passage variant and window
candidates        the rules that are compared, which need no further scores
outcomes          the order and the quality of each query under a rule
selection         chooses a rule by cross-validation, or none
rule_text         writes the rule file
summary           the result in numbers, for the terminal, the report and JSON
report            the result as an HTML page
"""
