/** Of the layout below; another one is not touched. Where there are several partitions, their number follows. */
export const FORM = '1'

/**
 * What every script begins with: the time, the state of the store, how a registration is read.
 *
 * All keys begin with that of the state, whose hash tag keeps them on one node of a cluster; scripts make the names
 * of the others themselves, because which they need is found out on the way.
 *
 * | key | type | |
 * |---|---|---|
 * | `{prefix}`, or `{prefix:2}` of the second partition | hash | the form of all this, the numbers of this life, what is counted |
 * | `…:registrations` | hash | by id, registrations as they are packed (registration.ts) |
 * | `…:in:FORMS:NAMESPACE` | sorted set | ids by sequence, for each combination of forms of a record |
 * | `…:all:FORMS` | sorted set | the same of all namespaces |
 * | `…:peer:PEER` | hash | ids by namespace |
 * | `…:expiry` | sorted set | ids by the moment of expiry |
 * | `…:expired` | list | expired registrations that had to go before `expire` returned them |
 * | `…:payers` | hash | by namespace, when it came and the network that it counts for |
 * | `…:claims:PEER` | hash | by namespace, what of its limit a peer takes in all partitions (claims.ts) |
 * | `…:points` | set | points at which somebody is live |
 * | `…:live:POINT` | set | the peers that are live there; it ends by itself when nothing is heard of the point |
 * | `…:shares:SCOPE`, `…:weights:PATH␀SCOPE` | sorted sets | who holds what of a limit (shares.ts) |
 *
 * The id of a registration is the sequence number with which it came, as eight bytes in the order of their numbers: a
 * refresh keeps it, so that it says who is younger, and touches little.
 */
export const STATE = String.raw`
local call = redis.call
local base = KEYS[1]
local caller = ARGV[2]

-- Of a partition: how many there are, which it is, and where the numbers of all of them begin. Empty where there are none.
local shape = ARGV[3]

local REGISTRATIONS, EXPIRY, EXPIRED, PAYERS = base .. ':registrations', base .. ':expiry', base .. ':expired', base .. ':payers'

-- what a registration takes beside its records, in bytes
local REGISTRATION_BYTES = 830

local FORM = '${FORM}'

-- a sequence number for each 20 microseconds, which is less than a registration takes
local MICROSECONDS = 20

-- when the numbers of partitions begin: of all at the same moment, so that they are in one order
local EPOCH = 1767225600000000

local time = call('TIME')
local micros = time[1] * 1000000 + time[2]

-- the clock of the server, for those of the points may differ
local now = ARGV[1] == '' and math.floor(micros / 1000) or tonumber(ARGV[1])

local wanted, step, place, number = FORM, 1

if shape ~= '' then
  step, place, number = string.match(shape, '(%d+)/(%d+)/(%d+)')
  wanted, step = FORM .. '/' .. step, tonumber(step)
end

-- of this life: where its numbers begin and when it did, the latest of them, and what is counted
local NUMBERS = '>ddddddd'
local form, numbers = unpack(call('HMGET', base, 'form', 'numbers'))
local origin, began, last, bytes, peers, registrations, namespaces

if form and form ~= wanted then
  return redis.error_reply('RENDEZVOUSFORM ' .. form)
end

if form then
  origin, began, last, bytes, peers, registrations, namespaces = struct.unpack(NUMBERS, numbers)
else
  -- There is nothing, or no longer: a new life begins, at a number of 52 bits that nobody has had. Of a partition it is
  -- later than all of a life before, because it is the clock's.
  origin = step == 1 and tonumber(string.sub(redis.sha1hex(base .. time[1] .. '.' .. time[2]), 1, 13), 16) or
    number + place + math.floor((micros - EPOCH) / MICROSECONDS) * step
  began, last, bytes, peers, registrations, namespaces = micros, origin, 0, 0, 0, 0
end

local function keepNumbers ()
  call('HSET', base, 'numbers', struct.pack(NUMBERS, origin, began, last, bytes, peers, registrations, namespaces))
end

if not form then
  call('HSET', base, 'form', wanted)
  keepNumbers()
end

-- What comes next has this number, or a higher one. A replica that takes over may not know the latest numbers. By the
-- clock it gives out none of them again, which would hide a registration from who holds a cursor. Partitions take
-- turns, so that no two have the same.
local function nextSequence ()
  return math.max(last + step, origin + math.floor((micros - began) / MICROSECONDS) * step)
end

-- what follows the two numbers in front, which begins at a place
local function readBody (packed, start)
  local _, forms, namespace, peer, network, at = struct.unpack('>BBI2c0I2c0I2c0', packed, start)

  return {
    packed = packed,
    forms = forms,
    namespace = namespace,
    peer = peer,
    network = network,
    weight = REGISTRATION_BYTES + #packed - at - 3
  }
end

local function read (packed)
  local it = readBody(packed, 17)
  it.expires = struct.unpack('>d', packed, 9)

  return it
end

local function formsOf (packed)
  return tostring(string.byte(packed, 18))
end

local function isAlive (packed)
  return struct.unpack('>d', packed, 9) > now
end

-- by namespace, the peers that are gone there
local changes = {}

-- namespace and peer of each registration that has made room
local displaced = {}

-- what is known of the store after each answer, and what has changed with it
local function status ()
  local told = {}

  for namespace, gone in pairs(changes) do
    local change = { namespace }

    for peer in pairs(gone) do
      change[#change + 1] = peer
    end

    told[#told + 1] = change
  end

  local changed = #told > 0 and cjson.encode({ caller, told, #displaced > 0 and displaced or nil }) or ''

  if #told > 0 then
    keepNumbers()
    call('SPUBLISH', base .. ':changes', changed)
  end

  local oldest = call('LINDEX', EXPIRED, 0)
  local due = oldest and struct.unpack('>d', oldest, 9) or tonumber(call('ZRANGE', EXPIRY, 0, 0, 'WITHSCORES')[2] or -1)

  return { now, registrations, namespaces, peers, bytes, due, changed }
end

-- some values, and behind them as many registrations as there are
local function answer (registrations, ...)
  local values = { ... }

  for _, packed in ipairs(registrations) do
    values[#values + 1] = packed
  end

  return values
end
`
