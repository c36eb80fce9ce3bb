"""Targets that are no race: how multifd behaves as devices and bytes grow, and its fixed cost."""

import statistics
from dataclasses import replace

import measuring
import multifd_transfer
from multifd_transfer import Transfer
from races import Contender, Verdict, column, interleave, print_samples

MIB, GIB = 1 << 20, 1 << 30


def contenders_of(transfers):
    return [Contender(transfer, multifd_transfer.run) for transfer in transfers]


def base(options, devices_as, **changes):
    transfer = Transfer(command=options.command, devices_as=devices_as, size=options.size,
                        channels=options.channels[-1], packet_size=options.packet_size[-1],
                        send_options=tuple(options.send_option),
                        receive_options=tuple(options.receive_option))
    return replace(transfer, **changes)


def run_all(target, title, transfers, rounds, folder, say):
    say(f"\n{target}: {title}")
    contenders = contenders_of(transfers)
    interleave(contenders, rounds, folder)
    print_samples(contenders, say)
    return contenders


def ratios_to(first, other):
    return [its / mine for its, mine in zip(column(other, "gb_per_s"), column(first, "gb_per_s"))]


def resident_verdict(target, contenders):
    """The destination's pool is its limit; beside it a fixed amount."""
    peak = max(sample.details["resident bytes"] for contender in contenders
               for sample in contender.samples)
    limit = 256 * MIB + 64 * MIB
    return Verdict(target, "destination's resident memory", f"at most {limit // MIB} MiB",
                   f"{peak // MIB} MiB", peak <= limit)


def compared_with_first(target, contenders):
    for contender in contenders[1:]:
        values = ratios_to(contenders[0], contender)
        yield Verdict(target, f"{contender.name()}: GB/s ratio to the first",
                      "at least 0.9x", measuring.spread(values, 3),
                      round(statistics.median(values), 3) >= 0.9)


def devices(options, folder, say):
    """1 to 64 devices with the same bytes in all."""
    transfers = [base(options, "generated", devices=count) for count in (1, 4, 16, 64)]
    found = run_all("devices", "generated state, spread over 1 to 64 devices", transfers,
                    options.rounds, folder, say)
    return [*compared_with_first("devices", found), resident_verdict("devices", found)], found


def growth(options, folder, say):
    """1 to 64 GiB of one device. The large ones once each: they take their time."""
    sizes = [size * GIB for size in (1, 4, 16, 64) if size * GIB <= options.largest]
    transfers = [base(options, "generated", size=size) for size in sizes]
    found = run_all("growth", "1 GiB and more of generated state, one device", transfers, 1,
                    folder, say)
    return [*compared_with_first("growth", found), resident_verdict("growth", found)], found


def fixed_cost(options, folder, say):
    """Downtime of 8 devices with 1 MiB each."""
    transfers = [base(options, "lent", devices=8, size=8 * MIB, verify="on"),
                 base(options, "held", devices=8, size=8 * MIB, verify="on")]
    rounds = 31 if not options.quick else 7
    found = run_all("fixed-cost", f"8 devices with 1 MiB each, {rounds} runs", transfers, rounds,
                    folder, say)
    verdicts = []
    for contender in found:
        values = [sample.details["downtime ms"] for sample in contender.samples]
        verdicts.append(Verdict("fixed-cost", f"{contender.name()}: downtime in ms", "at most 10",
                                measuring.spread(values, 0), statistics.median(values) <= 10))
    return verdicts, found


def limited_devices(options, folder, say):
    """Devices that read slowly: over the channels side by side, else one after the other."""
    rate, each = 400 * MIB, 200 * MIB
    keys = f",held=on,read-rate={rate}"
    transfers = [base(options, "generated", devices=count, size=count * each,
                      device_keys=f"{keys},multifd={way}")
                 for count in (1, 2, 4, 8) for way in ("on", "off")]
    names = [f"{transfer.devices} x 400 MiB/s, multifd={'off' if i % 2 else 'on'}"
             for i, transfer in enumerate(transfers)]
    found = run_all("limited", "devices that read 400 MiB/s each, multifd on and off in turn",
                    transfers, options.rounds, folder, say)
    verdicts = []
    for at in range(0, len(found), 2):
        count = found[at].case.devices
        own = [rate_of / (count * rate / 1e9) for rate_of in column(found[at], "gb_per_s")]
        verdicts.append(Verdict("limited", f"{names[at]}: part of the devices' own rates",
                                "at least 0.9x" if count <= 4 else "", measuring.spread(own, 3),
                                statistics.median(own) >= 0.9 if count <= 4 else None))
        gain = ratios_to(found[at + 1], found[at])
        verdicts.append(Verdict("limited", f"{count} devices, on against off: GB/s ratio", "",
                                measuring.spread(gain, 2)))
    return verdicts, found


SCALINGS = {"limited": limited_devices, "devices": devices, "growth": growth,
            "fixed-cost": fixed_cost}
