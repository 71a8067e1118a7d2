"""Autobahn's fuzzing client at a WebSocket server, direct and through the gateway: every case must end the same way."""
import collections, json

FRAMES = {
    "1": "framing", "2": "pings", "3": "reserved bits", "4": "opcodes", "5": "fragmentation", "6": "UTF-8", "7": "closing",
    "9": "limits", "10": "small pieces",
}
COMPRESSION = {"12": "compression", "13": "its parameters"}
# The suite's Python takes minutes for larger messages, and a case does the same with each size.
QUICK = {
    "9": [*[f"9.{group}.{size}" for group in (1, 2, 7, 8) for size in (1, 2)], *[f"9.{group}.{size}" for group in (3, 4, 5, 6) for size in (5, 6)]],
    "12": [f"12.{group}.1" for group in range(1, 6)],
    "13": [f"13.{group}.1" for group in range(1, 8)],
}


def run_cases(python, folder, ports, cases, patience):
    """What Autobahn says of each case, by agent. Each agent has a client of its own, and all run at once."""
    running = []
    for agent, port in ports.items():
        out = folder / f"autobahn-{agent}"
        out.mkdir(exist_ok=True)
        (out / "index.json").unlink(missing_ok=True)
        specification = out / "specification.json"
        specification.write_text(json.dumps({
            "outdir": str(out), "servers": [{"agent": agent, "url": f"ws://127.0.0.1:{port}"}], "cases": cases,
            "exclude-cases": [], "exclude-agent-cases": {}}))
        log = (out / "log").open("w")
        running.append((agent, out, python.start("-m", "fuzzingclient", "-s", specification, stdout=log, stderr=log)))
    results = {}
    for agent, out, process in running:
        try:
            process.wait(patience)
        finally:
            process.kill()
            process.wait()
        index = out / "index.json"
        if not index.exists():
            raise RuntimeError(f"Autobahn gave no result for {agent}: {(out / 'log').read_text()[-500:]}")
        results[agent] = {
            case: (one["behavior"], one["behaviorClose"], one["remoteCloseCode"])
            for case, one in json.loads(index.read_text())[agent].items()}
    return results


def compare(proxies, python, app, categories, every):
    """The number of cases, and those that differ."""
    quick = {} if every else QUICK
    cases = [case for category in categories for case in quick.get(category, [f"{category}.*"])]
    wrong = []
    with proxies.fcctl(app.port) as ours:
        ports = {"direct": app.port, "through": ours.port}
        results = run_cases(python, proxies.folder, ports, cases, 3600 if every else 240)
        known = sorted(results["direct"].keys() | results["through"].keys())
        differing = [case for case in known if results["direct"].get(case) != results["through"].get(case)]
        # The suite has time-outs of its own: what differs must differ again.
        again = run_cases(python, proxies.folder, ports, differing, 600) if differing else {}
        for case in differing:
            direct, through = (again[agent].get(case) for agent in ports)
            if direct != through:
                wrong.append(f"Autobahn {case}: direct {direct}, through {through}")
    for category, name in categories.items():
        counts = collections.Counter(result[0] for case, result in results["through"].items() if case.split(".")[0] == category)
        print(f"  {category} {name}: {', '.join(f'{count} {behavior}' for behavior, count in counts.most_common())}")
    return len(known), wrong


def run(proxies, every=False):
    import python2, websocket
    try:
        python = python2.Python2()
    except python2.Unavailable as reason:
        print(f"  skipped: Autobahn's test suite needs Python 2.7, and {reason}")
        return 0, []
    # Frames go to the server whose answers depend on nothing but the bytes: where an error follows a message, others are a race.
    frames = compare(proxies, python, websocket.FrameEcho(), FRAMES, every)
    compressed = compare(proxies, python, websocket.Echo("deflate"), COMPRESSION, every)
    return frames[0] + compressed[0], frames[1] + compressed[1]
