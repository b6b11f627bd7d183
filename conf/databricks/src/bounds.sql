-- Reads the table runs after a night; ends with an error that lists the bounds which it violates.
-- The bounds of the figures themselves are the night's own (alarms, evaluate.gate): here its warnings.
WITH night AS (
  SELECT stage, decision, reasons, cpu_seconds, started,
         from_json(get_json_object(metrics, '$.warnings'), 'array<string>') AS warnings
  FROM IDENTIFIER(:runs)
  WHERE event_date = date_sub(to_date(:date), CAST(:days_before AS INT))
),
verdicts AS ( -- the newest nights that evaluated, the newest first
  SELECT decision, row_number() OVER (ORDER BY event_date DESC) AS place
  FROM IDENTIFIER(:runs)
  WHERE stage = 'evaluate' AND event_date <= date_sub(to_date(:date), CAST(:days_before AS INT))
),
violated AS (
  SELECT concat('stage ', attempt.stage, ' failed: ', array_join(attempt.reasons, '; ')) AS bound
  FROM night AS attempt
  WHERE attempt.stage LIKE '%.attempt' AND attempt.decision = 'failed'
    AND NOT EXISTS (
      SELECT 1 FROM night AS done
      WHERE concat(done.stage, '.attempt') = attempt.stage AND done.started >= attempt.started
    )
  UNION ALL
  SELECT 'the night has no report' FROM (SELECT count_if(stage = 'report') AS reports FROM night) WHERE reports = 0
  UNION ALL
  SELECT concat(stage, ': ', warning)
  FROM (SELECT stage, explode(warnings) AS warning FROM night WHERE stage NOT LIKE '%.attempt')
  UNION ALL
  SELECT concat('the night cost ', format_number(minutes, 1), ' CPU minutes, more than ', :max_cpu_minutes)
  FROM (SELECT sum(cpu_seconds) / 60 AS minutes FROM night)
  WHERE minutes > CAST(:max_cpu_minutes AS DOUBLE)
  UNION ALL
  SELECT concat('the last ', holds, ' nights held, more than ', :max_holds, ' in a row')
  FROM (
    SELECT coalesce(min(CASE WHEN decision <> 'hold' THEN place END) - 1, count(*)) AS holds FROM verdicts
  )
  WHERE holds > CAST(:max_holds AS INT)
)
SELECT CASE WHEN count(*) = 0 THEN 'no bound is violated'
            ELSE raise_error(array_join(array_sort(collect_list(bound)), '\n')) END AS bounds
FROM violated
