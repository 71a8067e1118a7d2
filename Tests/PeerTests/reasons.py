"""Why fcctl does what it does where the proxies differ: the first pattern that fits the rule's name."""
import re

REASONS = [
    (r"^bad chunks", "RFC 9112 7.1: what is not the chunked coding is not guessed at; the response breaks off"),
    (r"HTTP/1\.2|HTTP/2\.0", "only HTTP/1.0 and 1.1 are understood, and what goes on says 1.1 (RFC 9110 2.5)"),
    (r"negative length|overflowing length|two lengths|same length|list of lengths", "RFC 9112 6.3: an invalid Content-Length makes the message unrecoverable; equal ones may be taken as one, we do not"),
    (r"coding.* HTTP/1\.0", "RFC 9112 6.1: a coding in HTTP/1.0 means that the framing is faulty"),
    (r"unknown coding|two codings|chunked twice", "RFC 9112 6.1: only one final chunked is understood; reading the rest until the end of the connection would be a guess"),
    (r"empty line first", "RFC 9112 4: a response begins with its status line"),
    (r"bare LF|bare CR|CR and no LF|LF alone|CR alone", "RFC 9112 2.2 lets a recipient take a bare LF; two readers that differ about it are how requests are smuggled"),
    (r"spaces|a tab for|a space (before|after)|empty lines|no line end|white space before", "RFC 9112 3 lets a reader be lenient about white space; we forward nothing that we had to guess"),
    (r"version|HTTP/2\.0|HTTP/0\.9|HTTP/1\.2|lower case HTTP", "only HTTP/1.0 and 1.1 are understood, and what goes on says 1.1 (RFC 9110 2.5)"),
    (r"CONNECT|TRACE", "RFC 9110 9.3.6 and 9.3.8 make them optional; an app behind a gateway needs neither"),
    (r"501: an endless method", "a method of more than 32 bytes is nobody's (RFC 9110 9.1: 501)"),
    (r"methods know their case|unknown method", "methods are case-sensitive and open-ended (RFC 9110 9.1): the app decides"),
    (r"HTTP/1.0 without|upgrade in HTTP/1.0", "we send the Host line that HTTP/1.1 wants, empty, rather than none (RFC 9112 3.2)"),
    (r"absolute|authority is \*|https as well|scheme", "absolute form must be accepted, its authority wins, and origin form goes on (RFC 9112 3.2.2); http and https alone"),
    (r"OPTIONS \*$", "RFC 9110 9.3.7: it asks about the server as a whole, which to its clients is the app"),
    (r"dots are|slashes", "paths are the app's business: a gateway that rewrites them is the other half of a traversal"),
    (r"escape|quote|angle|backslash|fragment|no slash|asterisk|above ASCII|control byte|DEL|/\\x|3986|an empty authority", "outside the grammar of RFC 3986, which RFC 9112 3.2 asks for"),
    (r"Host|port|bracket|IPv6|list in|user information", "RFC 9112 3.2: an invalid Host is answered 400; virtual hosts, caches and links rest on it"),
    (r"folded", "RFC 9112 5.2: obs-fold is refused or replaced; we refuse"),
    (r"name|colon", "a line that is no field makes the message malformed (RFC 9112 5); dropping it silently hides it from logs and rules"),
    (r"NUL|ESC|in a value", "RFC 9110 5.5: such bytes make a message invalid"),
    (r"expectation", "RFC 9110 10.1.1 allows 417 for what is not understood"),
    (r"431|414|128 fields|just 8 KiB|endless", "limits are everyone's own; ours are in the table of flags"),
    (r"upgrade is offered", "offered to the app, which refuses: the client gets that answer"),
    (r"CL\.TE|length and coding|coding, then|length, then", "RFC 9112 6.1 lets a server prefer the coding; both at once is an attack, and refused"),
    (r"white space around", "RFC 9110 5.5: it is not part of the value, and we leave it out"),
    (r"^cut|^whole", "RFC 9112 8: an incomplete message is never passed off as a whole one; before the first byte it is a 502"),
    (r"^too much", "what comes after a response belongs to nobody, and its connection is not used again"),
    (r"interim|101|103|100 ", "at most 16 interim responses, and 101 only to who asked (RFC 9110 15.2)"),
    (r"204|304|HEAD", "RFC 9112 6.3: these have no body, whatever their fields say"),
    (r"status|reason|digits|ICY|no HTTP|TLS|above 599|below 100|a sign|letters", "RFC 9112 4: not a status line"),
]


def reason(rule):
    return next((text for pattern, text in REASONS if re.search(pattern, rule)), "")


def table(rows):
    print("| rule | fcctl | nginx | HAProxy | why |\n| --- | --- | --- | --- | --- |")
    for rule, *outcomes in rows:
        cells = [rule, *outcomes, reason(rule)]
        print("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
