"""The statements with which `logs` counts. Sums are of decimals: those of floats depend on the order of the threads."""

TABLES = """
CREATE TABLE names (name VARCHAR, id VARCHAR);
CREATE TABLE rows (
    reason VARCHAR, query VARCHAR, document INTEGER, position INTEGER, clicked BOOLEAN, moment BIGINT, session VARCHAR
);
CREATE TABLE spellings (number INTEGER, query VARCHAR, spelling VARCHAR, key VARCHAR, reason VARCHAR);
"""

DOCUMENTS = """
CREATE TABLE documents AS
    SELECT id, CAST(row_number() OVER (ORDER BY id) AS INTEGER) AS number FROM (SELECT DISTINCT id FROM names);
CREATE TABLE numbered AS SELECT name, number FROM names JOIN documents USING (id);
DROP TABLE names;
"""

LOAD = """
INSERT INTO rows
WITH texts AS (
    SELECT nullif(trim(query), '') AS query, nullif(trim(document), '') AS name, nullif(trim(session), '') AS session,
        nullif(trim(timestamp), '') AS time, nullif(trim(position), '') AS position,
        nullif(lower(trim(clicked)), '') AS clicked
    FROM batch
),
numbers AS (
    SELECT query, name, session, time, clicked, position,
        try_cast(position AS DOUBLE) AS rank, try_cast(time AS DOUBLE) AS since,
        CASE clicked WHEN 'true' THEN 1 WHEN 'false' THEN 0 ELSE try_cast(clicked AS DOUBLE) END AS click
    FROM texts
),
moments AS (
    SELECT *,
        CASE WHEN since IS NULL THEN epoch_us(try_cast(time AS TIMESTAMPTZ))
            ELSE try_cast(since * CASE WHEN abs(since) < 1e11 THEN 1000000 ELSE 1000 END AS BIGINT) END AS moment
    FROM numbers
),
judged AS (
    SELECT *,
        CASE WHEN (query || name || session || time || position || clicked) IS NULL THEN 'MISSING_VALUE'
            WHEN length(query) > 1000 THEN 'LONG_QUERY'
            WHEN rank IS NULL OR rank < 1 OR rank > 1000000 OR rank <> floor(rank) THEN 'BAD_POSITION'
            WHEN click IS NULL OR click NOT IN (0, 1) THEN 'BAD_CLICKED'
            WHEN moment IS NULL OR moment < epoch_us(DATE '1990-01-01') OR moment > epoch_us(DATE '2100-01-01')
                THEN 'BAD_TIMESTAMP'
            WHEN number IS NULL THEN 'UNKNOWN_DOCUMENT' END AS reason
    FROM moments LEFT JOIN numbered USING (name)
)
SELECT reason, query, number, CAST(rank AS INTEGER), click = 1, moment, session FROM judged WHERE reason IS NULL
UNION ALL
SELECT reason, NULL, NULL, NULL, NULL, NULL, NULL FROM judged WHERE reason IS NOT NULL
"""

REASONS = "SELECT reason, count(*) FROM rows WHERE reason IS NOT NULL GROUP BY reason"

DOMINANT = """
DELETE FROM rows WHERE session IN (
    SELECT session FROM rows GROUP BY session HAVING count(*) > $share * (SELECT count(*) FROM rows)
)
"""

BOTS = """
DELETE FROM rows WHERE session IN (
    SELECT session
    FROM (SELECT session, moment - lag(moment, $most) OVER (PARTITION BY session ORDER BY moment) AS took FROM rows)
    WHERE took < 60000000
)
"""

QUESTIONS = "DELETE FROM rows WHERE query IN (SELECT query FROM spellings WHERE reason = $reason)"

NUMBERED = """
CREATE TABLE questions AS
    SELECT key, CAST(row_number() OVER (ORDER BY key) AS INTEGER) AS question
    FROM (SELECT DISTINCT key FROM spellings WHERE reason IS NULL)
"""

SHOWN = """
CREATE TABLE shown AS
    SELECT moment > $newest AS held_out, question, number AS spelling, session, document, position, clicked
    FROM rows JOIN spellings USING (query) JOIN questions USING (key)
"""

SESSIONS = """
CREATE TABLE sessions AS
    SELECT held_out, question, session, document, count(*) AS impressions,
        min(position) FILTER (clicked) AS first_click, max(position) AS last_shown,
        sum(CAST($weights AS DECIMAL(18, 9)[])[least(position, len($weights))]) FILTER (clicked) AS gain
    FROM shown GROUP BY ALL
"""

RARE = """
SELECT sum(times)
FROM (SELECT sum(impressions) AS times FROM sessions GROUP BY held_out, question, document)
WHERE times < $least
"""

ANSWERS = """
CREATE TABLE answers AS
    SELECT held_out, question, document,
        sum(impressions) AS impressions, count(first_click) AS clicks, sum(gain) AS gain
    FROM sessions GROUP BY held_out, question, document HAVING sum(impressions) >= $least
"""

CLICKED = "CREATE TABLE clicked AS SELECT * FROM answers WHERE clicks >= $least"

USED = "SELECT sum(impressions) FROM answers"

FEW_CLICKS = "SELECT count(*) FROM answers WHERE clicks BETWEEN 1 AND $least - 1"

RESULT = """
WITH passed AS (
    SELECT held_out, question, clicked.document AS document, skipped.document AS skipped, count(*) AS times
    FROM sessions AS clicked JOIN sessions AS skipped USING (held_out, question, session)
    WHERE skipped.first_click IS NULL AND skipped.last_shown < clicked.first_click
    GROUP BY ALL
),
skips AS (
    SELECT held_out, question, document, list(id ORDER BY times DESC, skipped)[1:10] AS skipped
    FROM passed JOIN documents ON number = skipped
    WHERE (held_out, question, skipped) IN (SELECT held_out, question, document FROM answers)
        AND (held_out, question, skipped) NOT IN (SELECT held_out, question, document FROM clicked)
    GROUP BY ALL
),
used AS (SELECT held_out, question, spelling AS number FROM shown SEMI JOIN clicked USING (held_out, question)),
spelt AS (
    SELECT held_out, question, spelling, count(*) AS times FROM used JOIN spellings USING (number) GROUP BY ALL
),
written AS (
    SELECT held_out, question, first(spelling ORDER BY times DESC, spelling) AS query FROM spelt GROUP BY ALL
)
SELECT query, id AS document, CAST(impressions AS BIGINT) AS impressions, clicks,
    CAST(gain AS DOUBLE) / CAST(impressions AS DOUBLE) AS weight, coalesce(skipped, []) AS skipped, held_out
FROM clicked JOIN written USING (held_out, question) JOIN documents ON number = document
    LEFT JOIN skips USING (held_out, question, document)
ORDER BY held_out, question, number
"""
"""At most ten documents are negatives of another: they are the ones that most people have passed over."""
