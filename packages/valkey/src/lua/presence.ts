/** Who is live, and at which points. */

export const POINTS = String.raw`
-- How long a point counts that says nothing: it looks for what has expired once in a minute. To say so takes no memory,
-- which a full server would refuse.
local POINT_LIFE = 180000

local POINTS = base .. ':points'

-- those who are live at a point
local function liveKey (point)
  return base .. ':live:' .. point
end
`

/** ARGV: peer, point. Answers as REGISTRATIONS_OF, which follows. */
export const ENTER = String.raw`
call('SADD', POINTS, ARGV[5])
call('SADD', liveKey(ARGV[5]), ARGV[4])
call('PEXPIRE', liveKey(ARGV[5]), POINT_LIFE)
`

/** ARGV: peer, point, 1 if it is gone. */
export const LEAVE = String.raw`
local peer, point, isGone = ARGV[4], ARGV[5], ARGV[6] == '1'
local found = {}
call('SREM', liveKey(point), peer)

for _, other in ipairs(call('SMEMBERS', POINTS)) do
  if call('SISMEMBER', liveKey(other), peer) == 1 then
    isGone = false
  end
end

for _, id in ipairs(isGone and call('HVALS', peerKey(peer)) or {}) do
  local it = load(id)

  if it.expires > now then
    remove(id, it)
    found[#found + 1] = it.packed
  end
end

return answer(found, status())
`

/** ARGV: points that have stopped. */
export const STOP = String.raw`
for i = 4, #ARGV do
  call('SREM', POINTS, ARGV[i])
  call('UNLINK', liveKey(ARGV[i]))
end

return { status() }
`
