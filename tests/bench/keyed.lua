-- Requests that change something: each with a key of its own, or (`replay`) with one of a hundred that were answered before.
local count, mark, replays = 0, "", false

function init(args)
    replays = args[1] == "replay"
    mark = replays and "again" or string.format("%d-%d", os.time(), math.random(1e9))
end

function request()
    count = count + 1
    local key = mark .. "-" .. (replays and count % 100 or count)
    return wrk.format("POST", nil, { ["idempotency-key"] = key })
end
