/** What each script does, with the rules of the library's memory store. */

/** ARGV: TTL, the registration as it is packed but for its first two numbers, the limits. */
export const REGISTER = String.raw`
local ttl, body = tonumber(ARGV[4]), ARGV[5]
local maxPerPeer, maxPerNamespace, maxNamespaces, maxRegistrations, maxBytes = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])

-- how many namespaces are found to count for another network before a newcomer is refused
local MAX_MISCOUNTED = 8

local it = read(string.rep('\0', 16) .. body)
it.ttl, it.body = ttl, body

local scope = 'in:' .. it.namespace
local madeRoom, displacedIds = {}, {}

-- removes what has to make room, and says so, unless it is left to "expire" to say it
local function displace (id)
  local other = load(id)

  if other.expires <= now then
    evict(id, other)
  else
    remove(id, other)
    madeRoom[#madeRoom + 1] = other.packed
    displaced[#displaced + 1] = { other.namespace, other.peer }
  end
end

local function choose (id)
  for _, chosen in ipairs(displacedIds) do
    if chosen == id then
      return
    end
  end

  displacedIds[#displacedIds + 1] = id
end

local function idsIn (namespace)
  local ids = {}

  for i, share in ipairs(call('ZRANGE', sharesOf('in:' .. namespace), 0, -1)) do
    local _, id = split(share)
    ids[i] = id
  end

  return ids
end

-- counts a namespace for the lightest of all networks that are in it
local function chargeLightest (namespace)
  local shares = sharesOf('in:' .. namespace)
  local share = call('ZRANGE', shares, 0, 0)[1]

  while share do
    local network = split(share)
    local _, to = rangeOf(network)
    charge(namespace, network)
    share = call('ZRANGEBYLEX', shares, '(' .. string.sub(to, 2), '+', 'LIMIT', 0, 1)[1]
  end
end

-- The namespace that makes room. Who has been looked at so far may all be of one network, and leave the others to make
-- room with it: before that happens all are looked at, who would be removed otherwise.
local function crowdedOut ()
  for _ = 1, MAX_MISCOUNTED do
    local share = victim('namespaces', it.network, 1)

    if not share then
      return
    end

    local namespace = string.sub(share[2], 9)
    chargeLightest(namespace)
    local _, payer = payerOf(namespace)

    if payer == share[1] then
      return namespace
    end
  end
end

-- makes room for a newcomer, or returns the limit that is in the way
local function admit ()
  local held, ofPeer, namespaces, registrations

  local function count ()
    held, ofPeer = call('ZCARD', sharesOf(scope)), call('HLEN', peerKey(it.peer))
    namespaces, registrations = call('HLEN', PAYERS), call('HLEN', REGISTRATIONS)
  end

  count()

  if ofPeer >= maxPerPeer or held >= maxPerNamespace or registrations >= maxRegistrations or bytes + it.weight > maxBytes or
    -- also where a limit was lowered: the namespace may be there for what has expired
    namespaces + (held == 0 and 1 or 0) > maxNamespaces then
    evictExpired()
    count()
  end

  if ofPeer >= maxPerPeer then
    return 'maxRegistrationsPerPeer'
  end

  if held >= maxPerNamespace then
    local share = victim(scope, it.network, 1)

    if not share then
      return 'maxRegistrationsPerNamespace'
    end

    choose(share[2])
  end

  if held == 0 and namespaces >= maxNamespaces then
    local namespace = crowdedOut()

    if not namespace then
      return 'maxNamespaces'
    end

    displacedIds = idsIn(namespace)
  end

  local most = math.max(maxBytes, bytes)
  local freed = 0

  for _, id in ipairs(displacedIds) do
    freed = freed + load(id).weight
  end

  local isCrowded = registrations - #displacedIds >= maxRegistrations

  if isCrowded or bytes - freed + it.weight > maxBytes then
    local heaviest = victim('all', it.network, it.weight)

    if not heaviest then
      return isCrowded and 'maxRegistrations' or 'maxBytes'
    end

    choose(heaviest[2])
  end

  for _, id in ipairs(displacedIds) do
    displace(id)
  end

  -- where the limit was lowered, no more is taken than is added
  while bytes + it.weight > most do
    local heaviest = victim('all', it.network, it.weight) or youngest('all', '')

    if not heaviest then
      break
    end

    displace(heaviest[2])
  end
end

-- makes room for a refresh that takes more bytes than before: from whoever has most, but from others
local function grow (id, more)
  if bytes + more > maxBytes then
    evictExpired()
  end

  local most = math.max(maxBytes, bytes)

  while bytes + more > most do
    local heaviest = youngest('all', '')

    if not heaviest or heaviest[2] == id then
      break
    end

    displace(heaviest[2])
  end
end

local id = call('HGET', peerKey(it.peer), it.namespace)
local previous = load(id)

if previous and previous.expires <= now then
  evict(id, previous)
  id, previous = nil, nil
end

local limit

if previous then
  grow(id, it.weight - previous.weight)
else
  id, limit = nil, admit()
end

if limit then
  return { status(), limit }
end

put(id, it, previous)

return answer(madeRoom, status(), false, previous and 1 or 0, it.packed)
`

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

/**
 * ARGV: the end of the keys of what is listed, the forms of records, where it goes on, limit, for a sample its seed.
 * Answers where the listing goes on, the number up to which all is in it or before it, 1 if nothing follows, and registrations.
 */
export const LIST = String.raw`
local list, forms, after, limit, seed = ARGV[4], ARGV[5], ARGV[6], tonumber(ARGV[7]), ARGV[8]

-- so many at once, and so many that have expired before the rest is left to the next page
local CHUNK, MAX_LOOKED_THROUGH = 500, 2000

-- all that will come here has higher numbers
local upTo = nextSequence() - 1

-- where there are several partitions, cursors may be of what is listed of all of them
if after ~= '' and not (tonumber(after) >= origin and tonumber(after) <= (step == 1 and last or upTo)) then
  return { status() }
end

local function keyOf (form)
  return list == 'all' and base .. ':all:' .. form or base .. ':in:' .. form .. ':' .. string.sub(list, 4)
end

local function bySequence (a, b)
  return struct.unpack('>d', a) < struct.unpack('>d', b)
end

-- up to so many registrations behind a sequence number, of all lists that can be read
local function behind (sequence, count)
  local ids, lists = {}, 0

  for form in string.gmatch(forms, '.') do
    local some = call('ZRANGEBYSCORE', keyOf(form), '(' .. sequence, '+inf', 'LIMIT', 0, count)

    if #some > 0 then
      lists = lists + 1
    end

    if lists < 2 and #some > 0 then
      ids = some
    else
      for _, id in ipairs(some) do
        ids[#ids + 1] = id
      end
    end
  end

  local found = #ids > 0 and call('HMGET', REGISTRATIONS, unpack(ids)) or {}

  if lists > 1 then
    table.sort(found, bySequence)
  end

  return found, math.min(count, #found)
end

-- fills a page with what is alive, and returns where it goes on, and whether nothing is left there
local function page (found, sequence)
  local looked, wanted, some, count = 0

  repeat
    wanted = math.min(limit - #found, CHUNK)
    some, count = behind(sequence, wanted)

    for i = 1, count do
      if isAlive(some[i]) then
        found[#found + 1] = some[i]
      end
    end

    if count > 0 then
      sequence = string.format('%.0f', struct.unpack('>d', some[count]))
    end

    looked = looked + count
  until count < wanted or #found >= limit or looked - #found >= MAX_LOOKED_THROUGH

  return sequence, count < wanted
end

local start = string.format('%.0f', origin)

if seed == '' then
  local found = {}
  local cursor, isAll = page(found, after ~= '' and after or start)

  return answer(found, status(), cursor, string.format('%.0f', isAll and upTo or cursor), isAll and 1 or 0)
end

local ids, found, isThere, held = {}, {}, {}, 0

for form in string.gmatch(forms, '.') do
  held = held + call('ZCARD', keyOf(form))
end

-- where all are wanted there is nothing to choose
if held > limit then
  math.randomseed(tonumber(seed))
  draw(list, '', limit, ids)
end

for i = 1, #ids, CHUNK do
  for _, packed in ipairs(call('HMGET', REGISTRATIONS, unpack(ids, i, math.min(i + CHUNK - 1, #ids)))) do
    if isAlive(packed) and string.find(forms, formsOf(packed), 1, true) then
      found[#found + 1] = packed
      isThere[packed] = true
    end
  end
end

-- in the place of those that are of no use here, or of all
if #found < math.min(held, limit) then
  local others = {}
  page(others, start)

  for _, packed in ipairs(others) do
    if #found < limit and not isThere[packed] then
      found[#found + 1] = packed
    end
  end
end

return answer(found, status(), string.format('%.0f', last), string.format('%.0f', upTo), 1)
`

/** ARGV: peer. */
export const REGISTRATIONS_OF = String.raw`
local found = {}

for _, id in ipairs(call('HVALS', peerKey(ARGV[4]))) do
  local packed = call('HGET', REGISTRATIONS, id)

  if isAlive(packed) then
    found[#found + 1] = packed
  end
end

return answer(found, status())
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

/** What is known of the store, for a start. */
export const LOOK = String.raw`
return { status() }
`
