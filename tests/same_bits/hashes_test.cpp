// The table of hashes (hashes.cpp): one for any number of threads and for micro-batches.

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "../support/command.h"

namespace rapt {
namespace {

using Table = std::map<std::string, std::string>;  // what -> its hash

Table table(int threads) {
  const tests::CommandResult result =
      tests::run_command(std::string(RAPT_HASHES) + " " + std::to_string(threads));
  EXPECT_EQ(result.status, 0) << result.output;
  Table out;
  for (const std::string& line : tests::lines_of(result.output)) {
    const size_t space = line.rfind(' ');
    const size_t end = line.find_last_not_of(' ', space);
    out[line.substr(0, end + 1)] = line.substr(space + 1);
  }
  return out;
}

TEST(Hashes, AreTheSameForAnyNumberOfThreadsAndForMicroBatches) {
  const Table wanted = table(1);
  EXPECT_GE(wanted.size(), 30u);
  EXPECT_EQ(table(2), wanted);
  EXPECT_EQ(table(4), wanted);
  EXPECT_EQ(wanted.at("200 steps, 2 micro-batches"), wanted.at("200 steps"));
  EXPECT_EQ(wanted.at("200 steps, 4 micro-batches"), wanted.at("200 steps"));
  EXPECT_NE(wanted.at("200 steps, dropout 0.1"), wanted.at("200 steps"));
}

// Two programs that link different parts of one library.
TEST(Hashes, WhatElseAProgramLinksChangesNothing) {
  const tests::CommandResult part = tests::run_command(RAPT_ONE_NORM);
  const tests::CommandResult all = tests::run_command(std::string(RAPT_HASHES) + " norm");
  EXPECT_EQ(part.status, 0);
  EXPECT_GE(part.output.size(), 1000u);
  EXPECT_EQ(part.output, all.output);
}

}  // namespace
}  // namespace rapt
