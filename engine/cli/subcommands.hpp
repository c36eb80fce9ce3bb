// The subcommands: each takes its arguments, does its work and returns the exit code.
#pragma once

#include "engine/cli/arguments.hpp"
#include "engine/cli/command_context.hpp"

namespace multifd {

// Each throws UsageError for what the user should have written otherwise, and std::system_error for
// what the system refuses before anything has begun.

int send(const Arguments& arguments, CommandContext& context);
int receive(const Arguments& arguments, CommandContext& context);
int demo(const Arguments& arguments, CommandContext& context);
int status(const Arguments& arguments, CommandContext& context);
int inspect(const Arguments& arguments, CommandContext& context);
int serve_device(const Arguments& arguments, CommandContext& context);
int check(const Arguments& arguments, CommandContext& context);
int tune(const Arguments& arguments, CommandContext& context);
int probe(const Arguments& arguments, CommandContext& context);

}  // namespace multifd
