/** What is listed: pages, samples, what a peer has, and what is known of all. */

/** Draws some by chance, as fairly between networks as they share what is limited. */
const SAMPLE = String.raw`
-- some places of many, each set of them as likely as any other (Floyd)
local function pick (count, many, visit)
  local chosen = {}

  for i = many - count, many - 1 do
    local place = math.random(0, i)
    place = chosen[place] and i or place
    chosen[place] = true
    visit(place)
  end
end

-- Draws shares of a network: each of its parts gives as many, and what one has not is given by the others. Which parts
-- there are is left to the chance of the server: to draw one after the other would be a call for each.
local function draw (scope, path, limit, ids)
  local shares = sharesOf(scope)
  local parts = call('ZRANDMEMBER', weightsOf(scope, path), limit, 'WITHSCORES')

  if #parts == 0 then
    local from, to = rangeOf(path)
    local first = call('ZLEXCOUNT', shares, '-', '(' .. string.sub(from, 2))
    local count = call('ZLEXCOUNT', shares, from, to)

    pick(math.min(limit, count), count, function (place)
      local _, id = split(call('ZRANGE', shares, first + place, first + place)[1])
      ids[#ids + 1] = id
    end)

    return
  end

  local chosen = {}

  for i = 1, #parts, 2 do
    -- what is shared within a namespace weighs the same
    local count = scope == 'all' and call('ZLEXCOUNT', shares, rangeOf(parts[i])) or tonumber(parts[i + 1])
    chosen[#chosen + 1] = { path = parts[i], count = count, chance = math.random() }
  end

  table.sort(chosen, function (a, b)
    if a.count == b.count then
      return a.chance < b.chance
    end

    return a.count < b.count
  end)

  for i, part in ipairs(chosen) do
    local count = math.min(part.count, math.floor(limit / (#chosen - i + 1)))
    limit = limit - count

    if count > 0 and count == part.count then
      for _, share in ipairs(call('ZRANGEBYLEX', shares, rangeOf(part.path))) do
        local _, id = split(share)
        ids[#ids + 1] = id
      end
    elseif count > 0 then
      draw(scope, part.path, count, ids)
    end
  end
end
`

/**
 * ARGV: the end of the keys of what is listed, the forms of records, where it goes on, limit, for a sample its seed.
 * Answers where the listing goes on, the number up to which all is in it or before it, 1 if nothing follows, and registrations.
 */
export const LIST = String.raw`${SAMPLE}
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

/** What is known of the store, for a start. */
export const LOOK = String.raw`
return { status() }
`
