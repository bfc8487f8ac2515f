/**
 * What of its limit a peer takes, where its registrations are in several partitions: one of them, which the peer
 * decides, has a claim for each. A claim is reserved before a registration is made, confirmed when it is, and given back
 * when it ends. What is not confirmed ends by itself, and what was, with its registration: so nothing is taken for long
 * by what went wrong in between.
 *
 * A claim is the moment at which it ends, as eight bytes, and then its mark: while it is reserved, the name of the
 * reservation, and from then on the sequence number of the registration.
 */
const CLAIMS = String.raw`
-- more than it takes to make a registration
local RESERVATION_LIFE = 60000

local function claimsKey (peer)
  return base .. ':claims:' .. peer
end

local function markOf (claim)
  return string.sub(claim, 9)
end

local function claim (key, namespace, mark, life)
  call('HSET', key, namespace, struct.pack('>d', now + life) .. mark)

  if call('PTTL', key) < life then
    call('PEXPIRE', key, life)
  end
end
`

/** ARGV: peer, namespace, the name of the reservation, the limit. Answers 1 if there is room. */
export const RESERVE = String.raw`${CLAIMS}
local key, namespace, limit = claimsKey(ARGV[4]), ARGV[5], tonumber(ARGV[7])

if call('HEXISTS', key, namespace) == 1 then
  return { status(), 1 }
end

if call('HLEN', key) >= limit then
  local claims = call('HGETALL', key)

  for i = 1, #claims, 2 do
    if struct.unpack('>d', claims[i + 1]) <= now then
      call('HDEL', key, claims[i])
    end
  end
end

if call('HLEN', key) >= limit then
  return { status(), 0 }
end

claim(key, namespace, ARGV[6], RESERVATION_LIFE)

return { status(), 1 }
`

/** ARGV: peer, namespace, the sequence number of the registration, its TTL. */
export const CONFIRM = String.raw`${CLAIMS}
local key, namespace, life = claimsKey(ARGV[4]), ARGV[5], tonumber(ARGV[7])

-- who has made room already has given it back
if call('HEXISTS', key, namespace) == 1 then
  claim(key, namespace, ARGV[6], life)
end

return { status() }
`

/** ARGV: peer, namespace and mark of each that is given back. */
export const RELEASE = String.raw`${CLAIMS}
for i = 4, #ARGV, 3 do
  local key, namespace, mark = claimsKey(ARGV[i]), ARGV[i + 1], ARGV[i + 2]
  local claim = call('HGET', key, namespace)
  local sequence = tonumber(mark)

  -- a later registration is another one
  if claim and (markOf(claim) == mark or sequence and sequence >= (tonumber(markOf(claim)) or 0)) then
    call('HDEL', key, namespace)
  end
end

return { status() }
`
