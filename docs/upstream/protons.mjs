// What is read as something else than was sent: node protons.mjs
import { reader } from 'protons-runtime'

/** Seven times seven bits, of which the lowest say 1. */
const long = Uint8Array.of(0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 42, 42, 42, 42)
const number = reader(long)
console.log('a number of seven bytes, as uint32:', number.uint32(), '- read up to byte', number.pos, 'of', long.length, '(7 would be right)')

/** 2^32 + 1 bytes are announced. */
const bytes = reader(Uint8Array.of(0x81, 0x80, 0x80, 0x80, 0x10, 42, 43))
console.log('a length of 2^32 + 1:', bytes.bytes().length, 'byte is read')

const text = reader(Uint8Array.of(3, 0xed, 0xa0, 0x80))
console.log('a string that is not UTF-8:', JSON.stringify(text.string()))
