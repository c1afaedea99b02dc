hoard = []
while True:
    hoard.append(bytes(64 << 20))
