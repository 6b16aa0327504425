"""Finds the best rule for an index with judged queries.

hits              gets the hits of each query from the engine
passage_variants  lists the ways to build passages that are compared
scoring           scores the hits with the model, for each passage variant and window
candidates        lists the rules that are compared with these scores
outcomes          computes the order and the quality of each query with each rule
selection         chooses a rule by cross-validation, and decides whether to propose it
rule_text         writes the rule file
summary           collects the result in numbers, for the terminal, the report and JSON
report            creates the report, an HTML page
"""
