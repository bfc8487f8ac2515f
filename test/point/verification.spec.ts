import { generateKeyPair } from '@libp2p/crypto/keys'
import { describe, expect, it } from 'vitest'
import { openingWork, RecordBudget, verifyingWork } from '../../src/point/verification.ts'

const NOW = 1_750_000_000_000

describe('what a record costs', () => {
  it('is more with a key that takes longer to verify', async () => {
    const [ed25519, rsa, secp256k1] = await Promise.all([generateKeyPair('Ed25519'), generateKeyPair('RSA', 2048), generateKeyPair('secp256k1')])

    expect([ed25519, rsa, secp256k1].map(({ publicKey }) => verifyingWork(publicKey))).toEqual([5, 5, 60])
    expect([ed25519, rsa, secp256k1].map(({ publicKey }) => openingWork(new Uint8Array(399), publicKey))).toEqual([0, 0, 6])
  })

  it('is more with many bytes, and where it could not be opened', async () => {
    const { publicKey } = await generateKeyPair('Ed25519')

    expect([0, 399, 400, 4_096].map(length => openingWork(new Uint8Array(length), publicKey))).toEqual([0, 0, 1, 10])
    expect(openingWork(new Uint8Array(400))).toBe(7)
  })
})

describe('the budget for records', () => {
  it('is 10,000 small requests within a second, of which one network has half', () => {
    const budget = new RecordBudget()

    budget.open('198.51/100/7', NOW).spend(4_999)
    expect(budget.open('198.51/100/8', NOW).hasRoom()).toBe(true)
    budget.open('198.51/100/8', NOW).spend(1)
    expect(budget.open('198.51/100/9', NOW).hasRoom()).toBe(false)
    expect(budget.open('203.0/113/1', NOW).hasRoom()).toBe(true)
  })

  it('has something for those who have had little, however much others have', () => {
    const budget = new RecordBudget()

    for (let i = 0; i < 40; i++) {
      budget.open(`198.${i}/100/7`, NOW).spend(160)
    }

    expect(budget.open('198.3/100/7', NOW).hasRoom()).toBe(false)
    expect(budget.open('203.0/113/1', NOW).hasRoom()).toBe(true)
    budget.open('203.0/113/1', NOW).spend(156)
    expect(budget.open('203.0/113/2', NOW).hasRoom()).toBe(true)
    budget.open('203.0/113/2', NOW).spend(1)
    expect(budget.open('203.0/113/1', NOW).hasRoom()).toBe(false)
  })

  it('ends for all', () => {
    const budget = new RecordBudget()
    budget.open('198.51/100/7', NOW).spend(10_000)

    expect(budget.open('203.0/113/1', NOW).hasRoom()).toBe(false)
  })

  it('counts for each request what was spent for it', () => {
    const account = new RecordBudget().open('198.51/100/7', NOW)
    account.spend(3)
    account.spend(60)

    expect(account.spent).toBe(63)
  })

  it('is there again in the next second', () => {
    const budget = new RecordBudget()
    budget.open('198.51/100/7', NOW).spend(10_000)

    expect(budget.open('198.51/100/7', NOW + 999).hasRoom()).toBe(false)
    expect(budget.open('198.51/100/7', NOW + 1_000).hasRoom()).toBe(true)
    budget.open('198.51/100/7', NOW + 1_000).spend(5_000)
    expect(budget.open('203.0/113/1', NOW + 1_000).hasRoom()).toBe(true)
  })
})
