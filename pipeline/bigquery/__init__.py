"""How a row gets into BigQuery: inserts, appends, load jobs.

Why not Beam's own `WriteToBigQuery`? Measured with Beam 2.77.0 on the local BigQuery
(`make bench OPTIONS="--only sink"`, figures in docs/performance.md). FILE_LOADS: one
row that BigQuery refuses fails Beam's run, names no row, and costs the 100 good rows
beside it; here the others are stored and the record becomes a dead letter. A second run
over the same records stores them twice, here once. The 89 tables take 534 requests,
here 267, but a table that has rows of those days takes more here (19 requests for two
tables, Beam's 12). STREAMING_INSERTS: Beam gives each row a random insertId, so
a record that comes again within a minute is stored twice; here the `record_id` is the
insertId, and it is stored once. 2,527 rows take 176 requests, here 89. One answer 403
makes Beam return all 100 rows of the request as failed; here they wait. Beam returns a
refused row with its reason, too, but as the row: a dead letter has the record and the
attributes of its message. STORAGE_WRITE_API: Beam's is a Java program and takes one
schema for all tables of a write; neither Java nor 89 writes are needed here. How Beam's
treats rows there was not measured. An answer that is lost doubles nothing in either.
"""
