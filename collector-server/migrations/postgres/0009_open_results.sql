-- What holds now of one host, however long its history: every judgement begins with it.
CREATE INDEX result_host_open ON result_span (host, rule)
  WHERE observed_to_us IS NULL AND superseded_known IS NULL;
