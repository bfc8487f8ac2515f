/** A registration comes, or is renewed, and others make room for it, by the rules of the library's memory store. */

/** ARGV: TTL, the registration as it is packed but for its first two numbers, the limits. */
export const REGISTER = String.raw`
local ttl, body = tonumber(ARGV[4]), ARGV[5]
local maxPerPeer, maxPerNamespace, maxNamespaces, maxRegistrations, maxBytes = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])

-- how many namespaces are found to count for another network before a newcomer is refused
local MAX_MISCOUNTED = 8

local it = readBody(body, 1)
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
  local held, ofPeer

  local function count ()
    held, ofPeer = call('ZCARD', sharesOf(scope)), call('HLEN', peerKey(it.peer))
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
