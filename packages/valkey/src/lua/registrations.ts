/** How registrations come and go: the indexes, what is counted, and who is told. */
export const REGISTRATIONS = String.raw`
-- how many of those in a namespace are looked at to find out for whom it counts
local PAYERS_LOOKED_AT = 8

-- how many that have expired are looked through at a time
local MAX_EXPIRED = 200

local function peerKey (peer)
  return base .. ':peer:' .. peer
end

-- a registration in the lists that have those with the same forms of a record
local function listKeys (it)
  return base .. ':in:' .. it.forms .. ':' .. it.namespace, base .. ':all:' .. it.forms
end

local function load (id)
  local packed = id and call('HGET', REGISTRATIONS, id)

  return packed and read(packed)
end

local function payerOf (namespace)
  local payer = call('HGET', PAYERS, namespace)

  return payer and string.sub(payer, 1, 8), payer and string.sub(payer, 9)
end

local function recharge (namespace, born, payer, network)
  removeShare('namespaces', payer, born .. namespace, 1)
  addShare('namespaces', network, born .. namespace, 1)
  call('HSET', PAYERS, namespace, born .. network)
end

-- counts a namespace for a network if that has fewer of them than the one that it counts for now
local function charge (namespace, network)
  local born, payer = payerOf(namespace)

  if payer ~= network and isLighter('namespaces', network, payer, 1) then
    recharge(namespace, born, payer, network)
  end
end

-- A network has one registration less in a namespace. If that counts for it, and it has left, another one is found:
-- the lightest of some that are there, near enough because each takes it over when it next registers.
local function findPayer (namespace, network)
  local shares = sharesOf('in:' .. namespace)
  local born, payer = payerOf(namespace)
  local from, to = rangeOf(network)

  if payer ~= network or call('ZRANGEBYLEX', shares, from, to, 'LIMIT', 0, 1)[1] then
    return
  end

  local last = call('ZCARD', shares) - 1

  for i = 0, PAYERS_LOOKED_AT - 1 do
    local place = math.floor(i * last / (PAYERS_LOOKED_AT - 1))
    local other = split(call('ZRANGE', shares, place, place)[1])

    if i == 0 then
      recharge(namespace, born, payer, other)
    else
      charge(namespace, other)
    end
  end
end

local function came (namespace, peer)
  changes[namespace] = changes[namespace] or {}
  changes[namespace][peer] = nil
end

local function remove (id, it)
  local inNamespace, inAll = listKeys(it)
  local scope = 'in:' .. it.namespace
  call('HDEL', REGISTRATIONS, id)
  call('ZREM', inNamespace, id)
  call('ZREM', inAll, id)
  call('ZREM', EXPIRY, id)
  call('HDEL', peerKey(it.peer), it.namespace)
  registrations, bytes = registrations - 1, bytes - it.weight

  if call('EXISTS', peerKey(it.peer)) == 0 then
    peers = peers - 1
  end

  removeShare('all', it.network, id, it.weight)
  removeShare(scope, it.network, id, 1)

  if call('EXISTS', sharesOf(scope)) == 0 then
    local born, payer = payerOf(it.namespace)
    removeShare('namespaces', payer, born .. it.namespace, 1)
    call('HDEL', PAYERS, it.namespace)
    namespaces = namespaces - 1
  else
    findPayer(it.namespace, it.network)
  end

  changes[it.namespace] = changes[it.namespace] or {}
  changes[it.namespace][it.peer] = true
end

-- removes what has expired before "expire" does, and leaves it to that to return it
local function evict (id, it)
  remove(id, it)
  call('RPUSH', EXPIRED, it.packed)
end

local function evictExpired ()
  for _, id in ipairs(call('ZRANGEBYSCORE', EXPIRY, '-inf', now, 'LIMIT', 0, MAX_EXPIRED)) do
    evict(id, load(id))
  end
end

-- Adds a registration, or puts it in the place of the one of the same peer.
local function put (id, it, previous)
  local inNamespace, inAll = listKeys(it)
  local scope = 'in:' .. it.namespace
  last = nextSequence()
  it.expires = now + it.ttl
  it.packed = struct.pack('>dd', last, it.expires) .. it.body
  id = id or struct.pack('>d', last)

  if previous and previous.forms ~= it.forms then
    local inOther, inAllOther = listKeys(previous)
    call('ZREM', inOther, id)
    call('ZREM', inAllOther, id)
  end

  call('HSET', REGISTRATIONS, id, it.packed)
  call('ZADD', inNamespace, last, id)
  call('ZADD', inAll, last, id)
  call('ZADD', EXPIRY, it.expires, id)
  bytes = bytes + it.weight

  if not previous then
    registrations = registrations + 1
    call('HSET', peerKey(it.peer), it.namespace, id)

    if call('HLEN', peerKey(it.peer)) == 1 then
      peers = peers + 1
    end

    if call('HSETNX', PAYERS, it.namespace, id .. it.network) == 1 then
      namespaces = namespaces + 1
      addShare('namespaces', it.network, id .. it.namespace, 1)
    end
  else
    bytes = bytes - previous.weight
  end

  if not previous or previous.network ~= it.network then
    if previous then
      removeShare('all', previous.network, id, previous.weight)
      removeShare(scope, previous.network, id, 1)
    end

    addShare('all', it.network, id, it.weight)
    addShare(scope, it.network, id, 1)

    if previous then
      findPayer(it.namespace, previous.network)
    end
  elseif previous.weight ~= it.weight then
    weigh('all', it.network, it.weight - previous.weight)
  end

  charge(it.namespace, it.network)
  came(it.namespace, it.peer)
end
`
