/**
 * Who holds what of a limit, and who makes room for whom, by the rule of the library's stores: what is limited is
 * shared max-min fairly between networks, counted at each width of their paths.
 *
 * A scope is what is shared: `all` registrations, by their bytes; those `in:` a namespace; the `namespaces`. Its
 * shares are in one sorted set, as network, zero and id, in the order of their names: so those of a network are
 * together at any width, and of one and the same network the youngest is last. Beside it, for the root and each path
 * under which there has been more than one share, a sorted set has the weights of the paths that go on there.
 */
export const SHARES = String.raw`
-- among so many that hold the same, the youngest is looked for
local TIES = 8

local function sharesOf (scope)
  return base .. ':shares:' .. scope
end

local function weightsOf (scope, path)
  return base .. ':weights:' .. path .. '\0' .. scope
end

-- the next width of a network below a path: with a slash behind it, unless it is the network itself
local function below (path, network)
  return string.sub(network, 1, string.find(network, '/', #path + 1, true) or #network)
end

-- where the shares of a path begin and end
local function rangeOf (path)
  local first = (path == '' or string.sub(path, -1) == '/') and path or path .. '\0'

  return '[' .. first, '[' .. first .. '\255'
end

local function split (share)
  local network = string.match(share, '^[^%z]*')

  return network, string.sub(share, #network + 2)
end

-- a network of which nothing has been counted more narrowly holds one share, or more of one and the same
local function isDivided (scope, path)
  return call('EXISTS', weightsOf(scope, path)) == 1
end

local function weightAt (scope, path, child)
  return tonumber(call('ZSCORE', weightsOf(scope, path), child) or 0)
end

-- adds to the weight of a network, or takes from it, at each width that is counted
local function weigh (scope, network, weight)
  local path = ''

  repeat
    local weights, child = weightsOf(scope, path), below(path, network)

    if tonumber(call('ZINCRBY', weights, weight, child)) <= 0 then
      call('ZREM', weights, child)
    end

    path = child
  until path == network or not isDivided(scope, path)
end

local function addShare (scope, network, id, weight)
  local shares = sharesOf(scope)
  local path, before = '', 0
  call('ZADD', shares, 0, network .. '\0' .. id)

  while path ~= network do
    local weights, child = weightsOf(scope, path), below(path, network)
    local sum = tonumber(call('ZINCRBY', weights, weight, child))

    if sum == weight and before > 0 and call('ZCARD', weights) == 1 then
      -- another share was there alone: from here on they are told apart
      local from, to = rangeOf(path)

      for _, share in ipairs(call('ZRANGEBYLEX', shares, from, to, 'LIMIT', 0, 2)) do
        local other, otherId = split(share)

        if other ~= network or otherId ~= id then
          local others = below(path, other)
          local sumOfOther = tonumber(call('ZINCRBY', weights, before, others))
          sum = others == child and sumOfOther or sum
          break
        end
      end
    end

    if sum == weight or child == network then
      return
    end

    path, before = child, sum - weight
  end
end

local function removeShare (scope, network, id, weight)
  call('ZREM', sharesOf(scope), network .. '\0' .. id)
  weigh(scope, network, -weight)
end

-- the youngest of the heaviest part of a network
local function youngest (scope, path)
  if path ~= '' and not isDivided(scope, path) then
    local from, to = rangeOf(path)
    local share = call('ZREVRANGEBYLEX', sharesOf(scope), to, from, 'LIMIT', 0, 1)[1]

    return share and { split(share) }
  end

  local heaviest = call('ZREVRANGE', weightsOf(scope, path), 0, path == '' and 0 or TIES - 1, 'WITHSCORES')
  local found, born

  for i = 1, #heaviest, 2 do
    if heaviest[i + 1] ~= heaviest[2] then
      break
    end

    local share = youngest(scope, heaviest[i])
    local age = share and struct.unpack('>d', share[2])

    if share and (not born or age > born) then
      found, born = share, age
    end
  end

  return found
end

-- who makes room for a newcomer of a network, if somebody does
local function victim (scope, network, weight)
  local path = ''

  while path ~= network do
    local heaviest, most = unpack(call('ZREVRANGE', weightsOf(scope, path), 0, 0, 'WITHSCORES'))
    local own = below(path, network)
    local held = heaviest and weightAt(scope, path, own)

    if not heaviest then
      return
    end

    if heaviest ~= own and tonumber(most) > held + weight then
      return youngest(scope, heaviest)
    end

    if not isDivided(scope, own) then
      local share = own ~= network and held > weight and youngest(scope, own)

      return share and share[1] ~= network and share or nil
    end

    path = own
  end
end

-- whether a network would hold less than another does, with a weight that the other has now
local function isLighter (scope, network, other, weight)
  local path = ''

  while path ~= network and path ~= other do
    local own, others = below(path, network), below(path, other)

    if own ~= others then
      local held = call('ZMSCORE', weightsOf(scope, path), own, others)

      return tonumber(held[1] or 0) + weight < tonumber(held[2] or 0)
    end

    path = own
  end

  return false
end
`
