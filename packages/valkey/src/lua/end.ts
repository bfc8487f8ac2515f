/** How registrations end: by who made them, and by the time. */

/** ARGV: namespace, peer. */
export const UNREGISTER = String.raw`
local namespace, peer = ARGV[4], ARGV[5]
local id = call('HGET', peerKey(peer), namespace)
local it = load(id)

-- an expired one is left to "expire", which returns it
if it and it.expires > now then
  remove(id, it)

  return { status(), it.packed }
end

return { status() }
`

/** ARGV: limit, points that are there. */
export const EXPIRE = String.raw`
for i = 5, #ARGV do
  call('PEXPIRE', liveKey(ARGV[i]), POINT_LIFE)
end

for _, point in ipairs(call('SMEMBERS', POINTS)) do
  if call('EXISTS', liveKey(point)) == 0 then
    call('SREM', POINTS, point)
  end
end

local limit = math.min(tonumber(ARGV[4]), MAX_EXPIRED)
local found = call('LPOP', EXPIRED, limit) or {}

if #found < limit then
  for _, id in ipairs(call('ZRANGEBYSCORE', EXPIRY, '-inf', now, 'LIMIT', 0, limit - #found)) do
    local it = load(id)
    remove(id, it)
    found[#found + 1] = it.packed
  end
end

return answer(found, status())
`
