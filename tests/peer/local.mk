# differential programs
