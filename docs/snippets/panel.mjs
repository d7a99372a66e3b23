// What a control panel on Node does with resetdesk: Node 18 and its standard library, nothing else.
//   RESETDESK_URL=https://reset.example.net RESETDESK_KEY=rdk_... node panel.mjs
// It plays the user's phone too, so that it runs by itself. Test installations only: it writes account A-NODE.
import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto'

const env = process.env

/** A problem of the API; kind is its name, see /api/v1/problems. */
class Refused extends Error {
  constructor (status, problem) {
    super(`${problem.title}: ${problem.detail}`)
    this.status = status
    this.problem = problem
    this.kind = (problem.type ?? '').split('#')[1] ?? ''
  }
}

/** One request. What the network cuts is repeated under one Idempotency-Key, so it is done once. */
async function call (method, path, body) {
  const headers = { Authorization: `Bearer ${env.RESETDESK_KEY}`, 'Content-Type': 'application/json' }
  if (method !== 'GET') headers['Idempotency-Key'] = randomUUID()
  for (let attempt = 1; ; attempt++) {
    let failed, wait = attempt / 4
    try {
      const answer = await fetch(`${env.RESETDESK_URL}/api/v1${path}`,
        { method, headers, body: body && JSON.stringify(body), redirect: 'error', signal: AbortSignal.timeout(15000) })
      const text = await answer.text()
      if (answer.ok) return text ? JSON.parse(text) : {}
      failed = new Refused(answer.status, JSON.parse(text))
      const soon = [502, 503, 504].includes(answer.status) || ['in-progress', 'too-many-requests'].includes(failed.kind)
      if (!soon) attempt = 4
      wait = failed.problem.retry_after ?? wait
    } catch (e) { // the network, or an answer that breaks off
      failed = e
    }
    if (attempt >= 4) throw failed
    await new Promise(resolve => setTimeout(resolve, Math.min(wait, 5) * 1000))
  }
}

/** The code of an authenticator (RFC 6238). A panel does not need this: the user's phone does it. */
function code (secret, seconds) {
  const bits = [...secret].map(c => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('')
  const key = Buffer.from(bits.match(/.{8}/g).map(b => parseInt(b, 2)))
  const step = Buffer.alloc(8)
  step.writeBigUInt64BE(BigInt(Math.floor(seconds / 30)))
  const mac = createHmac('sha1', key).update(step).digest()
  return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1000000).padStart(6, '0')
}

/** Whether a webhook comes from the desk (Standard Webhooks). headers have lower-case names; body is text as it came. */
function genuine (secret, headers, body) {
  if (Math.abs(Date.now() / 1000 - Number(headers['webhook-timestamp'])) > 300) return false
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  const want = Buffer.from('v1,' + createHmac('sha256', key).update(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`).digest('base64'))
  return headers['webhook-signature'].split(' ').map(s => Buffer.from(s)).some(s => s.length === want.length && timingSafeEqual(s, want))
}

const now = () => Date.now() / 1000

// The panel makes an account and its users known, when they are made and when they change.
const account = await call('PUT', '/accounts/A-NODE', {
  name: 'Node GmbH',
  locale: 'de',
  users: [
    { id: 'U-NODE-1', login: 'anna', email: 'anna@node.example', role: 'admin' },
    { id: 'U-NODE-2', login: 'jane', email: 'jane@node.example', role: 'user' }
  ]
})
console.log(`account ${account.id} with ${account.users.length} users`)

// Account > Security: the user sees fresh.svg or fresh.grouped, and types the first code.
const jane = `/users/${encodeURIComponent('U-NODE-2')}`
const fresh = await call('POST', `${jane}/totp`, { account: 'jane', ip: '198.51.100.7', agent: 'Firefox' })
const confirmed = await call('POST', `${jane}/totp/confirm`, { enrollment: fresh.enrollment, code: code(fresh.secret, now() - 30) })
console.log(`enrolled, ${confirmed.codes.length} backup codes`)

// At the login, after the password was right.
const login = { code: code(fresh.secret, now()), channel: 'web', ip: '198.51.100.7', agent: 'Firefox' }
let result = await call('POST', `${jane}/verify`, login)
console.log(result.ok ? `let in by ${result.method}, ${result.codes_left} backup codes left` : 'not let in')

// The same code again, by somebody who shares the login: not wrong, only used.
result = await call('POST', `${jane}/verify`, login)
console.log(result.reason === 'code-used' ? 'this code was just used' : `unexpected: ${result.reason}`)

// New backup codes take a current code.
const renewed = await call('POST', `${jane}/backup-codes`, { code: code(fresh.secret, now() + 30) })
console.log(`renewed, ${renewed.codes.length} backup codes`)

const status = await call('GET', `${jane}/2fa`)
console.log(`${status.enrolled ? 'on' : 'off'}, ${status.codes_left} backup codes left, ${status.hold_until ?? 'no hold'}`)

// A webhook, here taken from the environment.
const headers = Object.fromEntries(['id', 'timestamp', 'signature'].map(name => [`webhook-${name}`, env[`WEBHOOK_${name.toUpperCase()}`]]))
const verdict = body => genuine(env.WEBHOOK_SECRET, headers, body) ? 'genuine' : 'forged'
console.log(`webhook ${verdict(env.WEBHOOK_BODY)}, changed ${verdict(env.WEBHOOK_BODY + ' ')}`)
