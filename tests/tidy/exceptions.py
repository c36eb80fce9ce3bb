"""Where the repository lint gives way, each place with its reason."""

# Error codes that no test produces: none.
UNTESTED_ERROR_CODES = set()

# Sources whose test neither stands at tests/<same path>_test.cpp nor includes their header there:
# the test that sees their mistakes, why it is that one, and the sources.
_GROUPS = [
    ("tests/channels/transport/connection_listener_test.cpp",
     "parts of the listener, seen through it over real sockets",
     ["channels/transport/connection_router.cpp", "channels/transport/newcomer.cpp",
      "channels/transport/session_door.cpp"]),
    ("tests/channels/transport/connection_test.cpp",
     "what a connection waits with, seen through it",
     ["channels/transport/interrupt.cpp", "channels/transport/readiness.cpp",
      "channels/transport/socket_address.cpp"]),
    ("tests/channels/transport/connection_listener_test.cpp",
     "Asio itself, compiled once",
     ["channels/transport/asio_implementation.cpp"]),
    ("tests/engine/sessions/migration_test.cpp",
     "parts of a session: both ends in one process, over real sockets",
     ["engine/destination/destination.cpp", "engine/destination/destination_commit.cpp",
      "engine/destination/destination_connect.cpp", "engine/destination/destination_load.cpp",
      "engine/destination/destination_session.cpp", "engine/destination/destination_stream.cpp",
      "engine/session/listener.cpp", "engine/session/migration_session.cpp",
      "engine/session/session_report.cpp", "engine/source/source.cpp",
      "engine/source/source_commit.cpp", "engine/source/source_connect.cpp",
      "engine/source/source_session.cpp", "engine/source/source_state.cpp"]),
    ("tests/engine/sessions/pre_copy_test.cpp",
     "rounds, their border and convergence, with both ends in one process",
     ["engine/destination/destination_pre_copy.cpp", "engine/source/source_convergence.cpp",
      "engine/source/source_pre_copy.cpp", "engine/source/source_pre_copy_channels.cpp"]),
    ("tests/engine/sessions/prediction_test.cpp",
     "what a session measures for its prediction, and what it does with it",
     ["engine/source/source_prediction.cpp"]),
    ("tests/engine/sessions/failure_test.cpp",
     "what becomes of devices and host when a session has failed, with both ends in one process",
     ["engine/session/session_settling.cpp", "engine/source/source_settling.cpp"]),
    ("tests/engine/ownership/record_keeper_test.cpp",
     "the file behind the records, seen through their keeper",
     ["engine/ownership/record_store.cpp"]),
    ("tests/engine/devices/memory_device_test.cpp",
     "parts of the memory device, seen through its calls",
     ["engine/devices/held_memory.cpp", "engine/devices/memory_content.cpp",
      "engine/devices/memory_load.cpp", "engine/devices/memory_records.cpp",
      "engine/devices/memory_save.cpp"]),
    ("tests/engine/devices/file_device_test.cpp",
     "how a file device writes, seen through its calls",
     ["engine/devices/atomic_file.cpp"]),
    ("tests/end_to_end/inspect_test.cpp",
     "what inspect prints and extracts, by the command itself, against an independent reading",
     ["engine/cli/inspect.cpp", "engine/cli/inspect_extract.cpp"]),
    ("tests/end_to_end/command_test.cpp",
     "subcommands and what they print, by the command itself",
     ["engine/cli/child_process.cpp", "engine/cli/command_options.cpp", "engine/cli/demo.cpp",
      "engine/cli/effective_setting.cpp", "engine/cli/progress_line.cpp",
      "engine/cli/settings_file.cpp", "engine/cli/text_table.cpp"]),
    ("tests/end_to_end/tune_test.cpp",
     "a tuning's processes and what they leave, by the command itself",
     ["engine/cli/tune/run_maker.cpp", "engine/cli/tune/tune.cpp"]),
]

TESTED_ELSEWHERE = {source: (test, reason) for test, reason, sources in _GROUPS
                    for source in sources}
