-- Exact totals of a run of wrk, which otherwise prints them rounded.
function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        "totals %d requests %d bytes %d errors\n", summary.requests, summary.bytes,
        errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
