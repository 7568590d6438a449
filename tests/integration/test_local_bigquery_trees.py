"""Trees of SQL are walked and copied in the local BigQuery as sqlglot does it."""

import json
import subprocess

import pytest

from local.bigquery.environment import bigquery_python, server_environment
from local.process import ROOT

# In the server's own environment: sqlglot before and after the change, on the committed
# examples of views and functions.
PROGRAM = """
import json, pathlib, sys
sys.path.insert(0, ".")
import sqlglot
from sqlglot import exp
from sqlglot.optimizer.annotate_types import annotate_types
files = sorted(pathlib.Path("sql/examples").glob("*.sql"))
texts = [file.read_text() for file in files]
trees = [tree for text in texts for tree in sqlglot.parse(text, dialect="bigquery")]
for tree in trees:
    annotate_types(tree, dialect="bigquery")
KINDS = (exp.Column, exp.Func)
def seen(make_copy):
    for tree in trees:
        copied = make_copy(tree)
        yield {
            "walked": [node.key for node in tree.walk()],
            "found": [node.sql() for node in tree.find_all(*KINDS)],
            "deep": [node.sql() for node in tree.find_all(*KINDS, bfs=False)],
            "below": [[c.key for c in n.iter_expressions(True)] for n in tree.walk()],
            "pruned": sum(1 for _ in tree.bfs(lambda node: node.key == "where")),
            "copy": [
                [node.key, node.arg_key, node.index, node.comments, repr(node.type),
                 sorted(node.meta)]
                for node in copied.walk()
            ],
            "sql": copied.sql(dialect="duckdb"),
            "equal": copied == tree,
            "apart": not {id(n) for n in copied.walk()} & {id(n) for n in tree.walk()},
        }
before = list(seen(lambda tree: tree.copy()))
from local.bigquery.googlesql import trees as replaced
replaced.install()
after = list(seen(lambda tree: tree.copy()))
print(json.dumps([len(trees), [key for key in before[0]
                  if [one[key] for one in before] != [one[key] for one in after]],
                  [one["equal"] and one["apart"] for one in after]]))
"""

pytestmark = pytest.mark.integration


def test_trees_are_walked_and_copied_as_by_sqlglot():
    command = [str(bigquery_python()), "-c", PROGRAM]
    done = subprocess.run(
        command, cwd=ROOT, env=server_environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    count, different, kept = json.loads(done.stdout.splitlines()[-1])
    assert (count > 30, different, set(kept)) == (True, [], {True})
