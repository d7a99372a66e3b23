<?php
// What a control panel in PHP does with resetdesk: PHP 8.1 and its standard extensions, nothing else.
//   RESETDESK_URL=https://reset.example.net RESETDESK_KEY=rdk_... php panel.php
// It plays the user's phone too, so that it runs by itself. Test installations only: it writes account A-PHP.
declare(strict_types=1);

/** One request. What the network cuts is repeated under one Idempotency-Key, so it is done once. */
function call(string $method, string $path, ?array $body = null): array
{
    $headers = ['Authorization: Bearer ' . getenv('RESETDESK_KEY'), 'Content-Type: application/json'];
    if ($method !== 'GET') {
        $headers[] = 'Idempotency-Key: ' . bin2hex(random_bytes(16));
    }
    for ($attempt = 1; ; $attempt++) {
        $context = stream_context_create(['http' => [
            'method' => $method, 'header' => $headers, 'timeout' => 15, 'ignore_errors' => true, 'follow_location' => 0,
            'content' => $body === null ? '' : json_encode($body, JSON_THROW_ON_ERROR),
        ]]);
        $text = @file_get_contents(getenv('RESETDESK_URL') . '/api/v1' . $path, false, $context);
        preg_match('~^HTTP/\S+ (\d+)~', $http_response_header[0] ?? '', $m);
        $status = (int) ($m[1] ?? 0);
        $answer = $text === false || $text === '' ? [] : json_decode($text, true);
        $kind = explode('#', $answer['type'] ?? '')[1] ?? '';
        $again = $text === false || in_array($status, [502, 503, 504], true) || in_array($kind, ['in-progress', 'too-many-requests'], true);
        if (!$again || $attempt === 4) {
            break;
        }
        usleep((int) (min($answer['retry_after'] ?? $attempt / 4, 5) * 1e6));
    }
    if ($status < 200 || $status > 299) {
        throw new RuntimeException(($answer['title'] ?? 'no answer') . ': ' . ($answer['detail'] ?? ''), $status);
    }
    return $answer;
}

/** The code of an authenticator (RFC 6238). A panel does not need this: the user's phone does it. */
function code(string $secret, int $time): string
{
    $bits = '';
    foreach (str_split($secret) as $c) {
        $bits .= sprintf('%05b', strpos('ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', $c));
    }
    $key = implode('', array_map(fn ($b) => chr(bindec($b)), str_split(substr($bits, 0, intdiv(strlen($bits), 8) * 8), 8)));
    $mac = hash_hmac('sha1', pack('J', intdiv($time, 30)), $key, true);
    $number = unpack('N', substr($mac, ord($mac[19]) & 15, 4))[1] & 0x7fffffff;
    return sprintf('%06d', $number % 1000000);
}

/** Whether a webhook comes from the desk (Standard Webhooks). $headers have lower-case names; $body is as it came. */
function genuine(string $secret, array $headers, string $body): bool
{
    if (abs(time() - (int) $headers['webhook-timestamp']) > 300) {
        return false;
    }
    $signed = $headers['webhook-id'] . '.' . $headers['webhook-timestamp'] . '.' . $body;
    $want = 'v1,' . base64_encode(hash_hmac('sha256', $signed, base64_decode(substr($secret, strlen('whsec_'))), true));
    foreach (explode(' ', $headers['webhook-signature']) as $signature) {
        if (hash_equals($want, $signature)) {
            return true;
        }
    }
    return false;
}

// The panel makes an account and its users known, when they are made and when they change.
$account = call('PUT', '/accounts/A-PHP', ['name' => 'PHP GmbH', 'locale' => 'de', 'users' => [
    ['id' => 'U-PHP-1', 'login' => 'anna', 'email' => 'anna@php.example', 'role' => 'admin'],
    ['id' => 'U-PHP-2', 'login' => 'jane', 'email' => 'jane@php.example', 'role' => 'user'],
]]);
echo "account {$account['id']} with ", count($account['users']), " users\n";

// Account > Security: the user sees $new['svg'] or $new['grouped'], and types the first code.
$jane = '/users/' . rawurlencode('U-PHP-2');
$new = call('POST', "$jane/totp", ['account' => 'jane', 'ip' => '198.51.100.7', 'agent' => 'Firefox']);
$codes = call('POST', "$jane/totp/confirm", ['enrollment' => $new['enrollment'], 'code' => code($new['secret'], time() - 30)])['codes'];
echo 'enrolled, ', count($codes), " backup codes\n";

// At the login, after the password was right.
$typed = code($new['secret'], time());
$login = ['code' => $typed, 'channel' => 'web', 'ip' => '198.51.100.7', 'agent' => 'Firefox'];
$result = call('POST', "$jane/verify", $login);
echo $result['ok'] ? "let in by {$result['method']}, {$result['codes_left']} backup codes left\n" : "not let in\n";

// The same code again, by somebody who shares the login: not wrong, only used.
$result = call('POST', "$jane/verify", $login);
echo $result['reason'] === 'code-used' ? "this code was just used\n" : "unexpected: {$result['reason']}\n";

// New backup codes take a current code.
$codes = call('POST', "$jane/backup-codes", ['code' => code($new['secret'], time() + 30)])['codes'];
echo 'renewed, ', count($codes), " backup codes\n";

$status = call('GET', "$jane/2fa");
echo $status['enrolled'] ? 'on' : 'off', ", {$status['codes_left']} backup codes left, ", $status['hold_until'] ?? 'no hold', "\n";

// A webhook, here taken from the environment.
$headers = [];
foreach (['id', 'timestamp', 'signature'] as $name) {
    $headers["webhook-$name"] = (string) getenv('WEBHOOK_' . strtoupper($name));
}
$body = (string) getenv('WEBHOOK_BODY');
echo 'webhook ', genuine((string) getenv('WEBHOOK_SECRET'), $headers, $body) ? 'genuine' : 'forged';
echo ', changed ', genuine((string) getenv('WEBHOOK_SECRET'), $headers, "$body ") ? 'genuine' : 'forged', "\n";
